package main

import (
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// reference names a Secret or ConfigMap that a volume shows.
type reference struct {
	kind, namespace, name string
}

// refreshVolumes keeps mounted Secrets and ConfigMaps up to date, by watching
// them, and tokens, by looking now and then.
func (k *kubelet) refreshVolumes(f informers.SharedInformerFactory) error {
	for kind, inf := range map[string]cache.SharedIndexInformer{
		"Secret": f.Core().V1().Secrets().Informer(), "ConfigMap": f.Core().V1().ConfigMaps().Informer(),
	} {
		changed := func(o any) {
			if m, ok := o.(metav1.Object); ok {
				go k.refresh(&reference{kind, m.GetNamespace(), m.GetName()})
			}
		}
		h := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, o any) { changed(o) }}
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
				k.refresh(nil)
			}
		}
	}()
	return nil
}

// refresh looks at the volumes of the running pods that show what changed, or
// of all pods.
func (k *kubelet) refresh(changed *reference) {
	k.mu.Lock()
	var all []*podRunner
	for _, r := range k.byName {
		if r.volumes.mounted.Load() && (changed == nil || r.volumes.shows[*changed]) {
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

func shown(pod *corev1.Pod) map[reference]bool {
	out := map[reference]bool{}
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			out[reference{"Secret", pod.Namespace, v.Secret.SecretName}] = true
		}
		if v.ConfigMap != nil {
			out[reference{"ConfigMap", pod.Namespace, v.ConfigMap.Name}] = true
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				out[reference{"Secret", pod.Namespace, s.Secret.Name}] = true
			}
			if s.ConfigMap != nil {
				out[reference{"ConfigMap", pod.Namespace, s.ConfigMap.Name}] = true
			}
		}
	}
	return out
}
