package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// environ resolves a container's environment.
func (k *kubelet) environ(ctx context.Context, pod *corev1.Pod, c *corev1.Container, im *image, podIP string) ([]string, map[string]string, error) {
	vals := map[string]string{
		"PATH":                          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME":                      pod.Name,
		"KUBERNETES_SERVICE_HOST":       k.apiHost,
		"KUBERNETES_SERVICE_PORT":       k.apiPort,
		"KUBERNETES_SERVICE_PORT_HTTPS": k.apiPort,
	}
	for n, v := range im.Env {
		vals[n] = os.Expand(v, func(name string) string { return vals[name] })
	}
	for _, from := range c.EnvFrom {
		out := files{}
		var err error
		switch {
		case from.ConfigMapRef != nil:
			err = k.configMapFiles(ctx, out, pod.Namespace, from.ConfigMapRef.Name, nil, from.ConfigMapRef.Optional, nil)
		case from.SecretRef != nil:
			err = k.secretFiles(ctx, out, pod.Namespace, from.SecretRef.Name, nil, from.SecretRef.Optional, nil)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("envFrom: %w", err)
		}
		for n, f := range out {
			vals[from.Prefix+n] = string(f.data)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			vals[e.Name] = expand(e.Value, vals)
			continue
		}
		v, found, err := k.envSource(ctx, pod, c, e.ValueFrom, podIP)
		if err != nil {
			return nil, nil, fmt.Errorf("env %s: %w", e.Name, err)
		}
		if found {
			vals[e.Name] = v
		}
	}
	env := make([]string, 0, len(vals))
	for n, v := range vals {
		env = append(env, n+"="+v)
	}
	return env, vals, nil
}

func (k *kubelet) envSource(ctx context.Context, pod *corev1.Pod, c *corev1.Container, f *corev1.EnvVarSource, podIP string) (string, bool, error) {
	out := files{}
	var err error
	switch {
	case f.FieldRef != nil:
		v, err := fieldValue(pod, f.FieldRef.FieldPath, podIP, k.nodeIP)
		return v, true, err
	case f.ResourceFieldRef != nil:
		v, err := resourceValue(c, f.ResourceFieldRef)
		return v, true, err
	case f.SecretKeyRef != nil:
		r := f.SecretKeyRef
		err = k.secretFiles(ctx, out, pod.Namespace, r.Name, []corev1.KeyToPath{{Key: r.Key, Path: "v"}}, r.Optional, nil)
	case f.ConfigMapKeyRef != nil:
		r := f.ConfigMapKeyRef
		err = k.configMapFiles(ctx, out, pod.Namespace, r.Name, []corev1.KeyToPath{{Key: r.Key, Path: "v"}}, r.Optional, nil)
	default:
		err = errors.New("unsupported source")
	}
	v, found := out["v"]
	return string(v.data), found, err
}

// expand replaces $(NAME) of known names.
func expand(s string, vals map[string]string) string {
	for n, v := range vals {
		s = strings.ReplaceAll(s, "$("+n+")", v)
	}
	return s
}

func fieldValue(pod *corev1.Pod, path, podIP, hostIP string) (string, error) {
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return podIP, nil
	case "status.hostIP", "status.hostIPs":
		return hostIP, nil
	case "metadata.labels", "metadata.annotations":
		m := pod.Labels
		if path == "metadata.annotations" {
			m = pod.Annotations
		}
		var b strings.Builder
		for k, v := range m {
			fmt.Fprintf(&b, "%s=%s\n", k, strconv.Quote(v))
		}
		return b.String(), nil
	}
	for prefix, m := range map[string]map[string]string{"metadata.labels['": pod.Labels, "metadata.annotations['": pod.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return m[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("unsupported field %s", path)
}

// resourceValue is a limit or request in units of the divisor, rounded up. A
// limit that is not set is the node's.
func resourceValue(c *corev1.Container, f *corev1.ResourceFieldSelector) (string, error) {
	kind, name, _ := strings.Cut(f.Resource, ".")
	list := c.Resources.Limits
	if kind == "requests" {
		list = c.Resources.Requests
	}
	q, ok := list[corev1.ResourceName(name)]
	if !ok {
		q = nodeResources[corev1.ResourceName(name)]
	}
	divisor := f.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	n := (q.MilliValue() + divisor.MilliValue() - 1) / divisor.MilliValue()
	return strconv.FormatInt(n, 10), nil
}
