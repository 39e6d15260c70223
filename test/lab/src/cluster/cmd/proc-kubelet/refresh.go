package main

import (
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// refreshVolumes keeps mounted Secrets and ConfigMaps up to date, by watching
// them, and tokens, by looking now and then.
func (k *kubelet) refreshVolumes(f informers.SharedInformerFactory) error {
	changed := func(o any) {
		if m, ok := o.(metav1.Object); ok {
			go k.refresh(m.GetNamespace())
		}
	}
	h := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, o any) { changed(o) }}
	for _, inf := range []cache.SharedIndexInformer{f.Core().V1().Secrets().Informer(), f.Core().V1().ConfigMaps().Informer()} {
		if _, err := inf.AddEventHandler(h); err != nil {
			return err
		}
	}
	go func() {
		for {
			select {
			case <-k.ctx.Done():
				return
			case <-time.After(30 * time.Second):
				k.refresh("")
			}
		}
	}()
	return nil
}

// refresh looks at the volumes of the running pods of a namespace, or of all.
func (k *kubelet) refresh(namespace string) {
	k.mu.Lock()
	var all []*podRunner
	for _, r := range k.byName {
		if namespace == "" || r.pod.Namespace == namespace {
			all = append(all, r)
		}
	}
	k.mu.Unlock()
	for _, r := range all {
		if r.stopping() {
			continue
		}
		if err := r.volumes.refresh(k.ctx); err != nil && k.ctx.Err() == nil {
			slog.Warn("volumes", "pod", r.pod.Namespace+"/"+r.pod.Name, "err", err)
		}
	}
}
