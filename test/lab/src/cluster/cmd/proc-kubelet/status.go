package main

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

func (r *podRunner) fail(reason, message string) {
	r.log.Error(message, "reason", reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Phase, r.status.Reason, r.status.Message = corev1.PodFailed, reason, message
	r.writeStatus()
}

// writeWaiting gives every container that has not begun a reason.
func (r *podRunner) writeWaiting(reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range [][]corev1.ContainerStatus{r.status.InitContainerStatuses, r.status.ContainerStatuses} {
		for i := range list {
			if list[i].State.Waiting != nil {
				list[i].State.Waiting.Reason, list[i].State.Waiting.Message = reason, message
			}
		}
	}
	r.writeStatus()
}

func (r *podRunner) setContainer(c *container, f func(*corev1.ContainerStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.status.ContainerStatuses
	if c.init {
		list = r.status.InitContainerStatuses
	}
	f(&list[c.index])
	r.writeStatus()
}

// writeStatus derives the pod's phase and conditions and sends the whole
// status.
func (r *podRunner) writeStatus() {
	ready, running, ended, failed := len(r.status.ContainerStatuses) > 0, false, true, false
	for _, c := range r.status.ContainerStatuses {
		ready = ready && c.Ready
		running = running || c.State.Running != nil || c.RestartCount > 0
		ended = ended && c.State.Terminated != nil
		failed = failed || c.State.Terminated != nil && c.State.Terminated.ExitCode != 0
	}
	initialized := true
	for _, c := range r.status.InitContainerStatuses {
		done := c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 || c.Started != nil && *c.Started
		initialized = initialized && done
	}
	policy := r.pod.Spec.RestartPolicy
	over := ended && len(r.status.ContainerStatuses) > 0 && (policy == corev1.RestartPolicyNever || policy == corev1.RestartPolicyOnFailure && !failed)
	switch {
	case r.status.Phase == corev1.PodFailed && r.status.Reason != "":
	case over && failed:
		r.status.Phase = corev1.PodFailed
	case over:
		r.status.Phase = corev1.PodSucceeded
	case running || ended && len(r.status.ContainerStatuses) > 0:
		r.status.Phase = corev1.PodRunning
	default:
		r.status.Phase = corev1.PodPending
	}
	r.condition(corev1.PodScheduled, true)
	r.condition(corev1.PodReadyToStartContainers, true)
	r.condition(corev1.PodInitialized, initialized)
	r.condition(corev1.ContainersReady, ready)
	r.condition(corev1.PodReady, ready)
	r.send()
}

func (r *podRunner) condition(t corev1.PodConditionType, ok bool) {
	v := corev1.ConditionFalse
	if ok {
		v = corev1.ConditionTrue
	}
	for i := range r.status.Conditions {
		if c := &r.status.Conditions[i]; c.Type == t {
			if c.Status != v {
				c.Status, c.LastTransitionTime = v, metav1.Now()
			}
			return
		}
	}
	r.status.Conditions = append(r.status.Conditions, corev1.PodCondition{Type: t, Status: v, LastTransitionTime: metav1.Now()})
}

func (r *podRunner) send() {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		p, err := r.k.client.CoreV1().Pods(r.pod.Namespace).Get(r.k.ctx, r.pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if p.UID != r.pod.UID {
			return nil
		}
		foreign := p.Status.Conditions
		p.Status = *r.status.DeepCopy()
		p.Status.ObservedGeneration = p.Generation
		for _, c := range foreign {
			// Such as DisruptionTarget, which an eviction writes.
			if c.Type == corev1.DisruptionTarget {
				p.Status.Conditions = append(p.Status.Conditions, c)
			}
		}
		_, err = r.k.client.CoreV1().Pods(p.Namespace).UpdateStatus(r.k.ctx, p, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) && r.k.ctx.Err() == nil {
		r.log.Error("cannot write status", "err", err)
	}
}
