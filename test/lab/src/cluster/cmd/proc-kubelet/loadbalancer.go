package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// balancers gives each Service of type LoadBalancer an address of a pool, as a
// cloud or MetalLB does: the one that spec.loadBalancerIP asks for, if it is
// free and of the pool, else the next one. kube-proxy forwards it.
type balancers struct {
	k     *kubelet
	pool  netip.Prefix
	owner map[netip.Addr]types.UID
	held  map[types.NamespacedName]holding
	next  netip.Addr
}

type holding struct {
	uid  types.UID
	addr netip.Addr
}

func (k *kubelet) balance(f informers.SharedInformerFactory, cidr string) error {
	pool, err := netip.ParsePrefix(cidr)
	if err != nil {
		return err
	}
	b := &balancers{k: k, pool: pool, owner: map[netip.Addr]types.UID{}, held: map[types.NamespacedName]holding{}, next: pool.Masked().Addr().Next()}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](50*time.Millisecond, 5*time.Second))
	inf := f.Core().V1().Services().Informer()
	add := func(o any) {
		if key, err := cache.DeletionHandlingObjectToName(o); err == nil {
			queue.Add(types.NamespacedName{Namespace: key.Namespace, Name: key.Name})
		}
	}
	if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o any) { add(o) }, DeleteFunc: add}); err != nil {
		return err
	}
	go func() {
		<-k.ctx.Done()
		queue.ShutDown()
	}()
	go func() {
		cache.WaitForCacheSync(k.ctx.Done(), inf.HasSynced)
		// Addresses that were given before this process began are taken.
		for _, o := range inf.GetStore().List() {
			b.remember(o.(*corev1.Service))
		}
		for {
			key, over := queue.Get()
			if over {
				return
			}
			o, exists, _ := inf.GetStore().GetByKey(key.String())
			s, _ := o.(*corev1.Service)
			if !exists {
				s = nil
			}
			if err := b.sync(k.ctx, key, s); err != nil && k.ctx.Err() == nil {
				slog.Warn("load balancer", "service", key.String(), "err", err)
				queue.AddRateLimited(key)
			} else {
				queue.Forget(key)
			}
			queue.Done(key)
		}
	}()
	return nil
}

func (b *balancers) remember(s *corev1.Service) {
	for _, in := range s.Status.LoadBalancer.Ingress {
		if a, err := netip.ParseAddr(in.IP); err == nil && b.wanted(s) && b.pool.Contains(a) {
			b.owner[a] = s.UID
			b.held[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = holding{s.UID, a}
		}
	}
}

func (b *balancers) wanted(s *corev1.Service) bool {
	return s != nil && s.DeletionTimestamp == nil && s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.LoadBalancerClass == nil
}

func (b *balancers) sync(ctx context.Context, key types.NamespacedName, s *corev1.Service) error {
	old, has := b.held[key]
	if has && (!b.wanted(s) || s.UID != old.uid || s.Spec.LoadBalancerIP != "" && s.Spec.LoadBalancerIP != old.addr.String()) {
		delete(b.owner, old.addr)
		delete(b.held, key)
		has = false
	}
	if !b.wanted(s) {
		if s != nil && s.DeletionTimestamp == nil && s.Spec.Type != corev1.ServiceTypeLoadBalancer && len(s.Status.LoadBalancer.Ingress) > 0 {
			return b.write(ctx, s, nil)
		}
		return nil
	}
	if !has {
		a, err := b.choose(s.Spec.LoadBalancerIP)
		if err != nil {
			if len(s.Status.LoadBalancer.Ingress) > 0 {
				return b.write(ctx, s, nil)
			}
			return err
		}
		b.owner[a], b.held[key] = s.UID, holding{s.UID, a}
	}
	a := b.held[key].addr
	if in := s.Status.LoadBalancer.Ingress; len(in) == 1 && in[0].IP == a.String() {
		return nil
	}
	mode := corev1.LoadBalancerIPModeVIP
	return b.write(ctx, s, []corev1.LoadBalancerIngress{{IP: a.String(), IPMode: &mode}})
}

func (b *balancers) choose(asked string) (netip.Addr, error) {
	if asked != "" {
		a, err := netip.ParseAddr(asked)
		if err != nil || !b.pool.Contains(a) {
			return a, fmt.Errorf("loadBalancerIP %s is not of %s", asked, b.pool)
		}
		if b.owner[a] != "" {
			return a, fmt.Errorf("loadBalancerIP %s is taken", asked)
		}
		return a, nil
	}
	for range 1 << (32 - b.pool.Bits()) {
		a := b.next
		b.next = b.next.Next()
		if !b.pool.Contains(b.next) {
			b.next = b.pool.Masked().Addr().Next()
		}
		if b.owner[a] == "" && a.As4()[3] != 0 && a.As4()[3] != 255 {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no free address in %s", b.pool)
}

func (b *balancers) write(ctx context.Context, s *corev1.Service, in []corev1.LoadBalancerIngress) error {
	c := s.DeepCopy()
	c.Status.LoadBalancer.Ingress = in
	_, err := b.k.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, c, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
