package main

import (
	"log/slog"
	"runtime"
	"time"

	coordv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nodeResources are more than this machine has: nothing here is scheduled by
// them.
var nodeResources = corev1.ResourceList{
	corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("1000"),
}

func (k *kubelet) registerNode() error {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   k.node,
		Labels: map[string]string{corev1.LabelHostname: k.node, corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH},
	}}
	_, err := k.client.CoreV1().Nodes().Create(k.ctx, n, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return k.nodeStatus()
}

func (k *kubelet) nodeStatus() error {
	n, err := k.client.CoreV1().Nodes().Get(k.ctx, k.node, metav1.GetOptions{})
	if err != nil {
		return err
	}
	// The admission plugin taints a new Node as not ready; nothing here takes
	// that off again, as the node lifecycle controller is not run.
	if len(n.Spec.Taints) > 0 {
		n.Spec.Taints = nil
		if n, err = k.client.CoreV1().Nodes().Update(k.ctx, n, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	now := metav1.Now()
	n.Status.Capacity, n.Status.Allocatable = nodeResources, nodeResources
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: k.nodeIP}, {Type: corev1.NodeHostName, Address: k.node}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = k.port
	n.Status.NodeInfo = corev1.NodeSystemInfo{KubeletVersion: "v0.0.0-proc", OperatingSystem: "linux", Architecture: runtime.GOARCH, ContainerRuntimeVersion: "process://0", OSImage: "processes"}
	n.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "ProcKubeletReady", Message: "runs pods as local processes",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	_, err = k.client.CoreV1().Nodes().UpdateStatus(k.ctx, n, metav1.UpdateOptions{})
	return err
}

// heartbeat renews the node's Lease, as a kubelet does.
func (k *kubelet) heartbeat() {
	leases := k.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for {
		now := metav1.NowMicro()
		secs := int32(40)
		l, err := leases.Get(k.ctx, k.node, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = leases.Create(k.ctx, &coordv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: k.node, Namespace: corev1.NamespaceNodeLease},
				Spec:       coordv1.LeaseSpec{HolderIdentity: &k.node, LeaseDurationSeconds: &secs, RenewTime: &now},
			}, metav1.CreateOptions{})
		} else if err == nil {
			l.Spec.RenewTime = &now
			_, err = leases.Update(k.ctx, l, metav1.UpdateOptions{})
		}
		if err != nil && k.ctx.Err() == nil {
			slog.Warn("lease", "err", err)
		}
		select {
		case <-k.ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
	}
}
