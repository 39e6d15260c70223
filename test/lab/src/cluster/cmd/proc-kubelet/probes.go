package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probe runs the container's probes until its process ends. Liveness probes
// stop with the pod; readiness probes go on while it terminates.
func (c *container) probe(exited <-chan struct{}) {
	if c.init && !c.sidecar {
		return
	}
	if p := c.spec.StartupProbe; p != nil {
		passed := false
		c.repeat(p, exited, func(ok bool, why string) bool {
			passed = ok
			if !ok {
				c.restartFor("startup probe failed: " + why)
			}
			return false
		})
		if !passed {
			return
		}
	}
	ready := c.spec.ReadinessProbe == nil
	if ready && !c.r.pod.Spec.HostNetwork {
		// Without a readiness probe a container is ready once it runs. Wait a
		// little for its first listening socket, so that Ready means reachable.
		waitListening(c.process(), exited, 3*time.Second)
	}
	c.r.setContainer(c, func(s *corev1.ContainerStatus) {
		yes := true
		s.Started, s.Ready = &yes, ready
	})
	c.once.Do(func() { close(c.began) })
	live := make(chan struct{})
	go func() {
		defer close(live)
		if p := c.spec.LivenessProbe; p != nil {
			c.repeat(p, exited, func(ok bool, why string) bool {
				if !ok {
					c.restartFor("liveness probe failed: " + why)
				}
				return ok
			})
		}
	}()
	if p := c.spec.ReadinessProbe; p != nil {
		c.repeat(p, exited, func(ok bool, why string) bool {
			c.r.setContainer(c, func(s *corev1.ContainerStatus) { s.Ready = ok })
			if !ok {
				c.r.log.Info("not ready", "container", c.spec.Name, "why", why)
			}
			return true
		})
	}
	<-live
}

// repeat probes with the probe's timing. It calls turned when the thresholds
// first decide, and whenever they decide otherwise, until that returns false
// or the process ends.
func (c *container) repeat(p *corev1.Probe, exited <-chan struct{}, turned func(ok bool, why string) bool) {
	seconds := func(n, other int32) time.Duration {
		if n <= 0 {
			n = other
		}
		return time.Duration(n) * time.Second
	}
	wait := time.Duration(p.InitialDelaySeconds) * time.Second
	known, last, run := false, false, int32(0)
	for {
		select {
		case <-exited:
			return
		case <-c.r.ctx.Done():
			return
		case <-time.After(wait):
		}
		if p != c.spec.ReadinessProbe && c.r.stopping() {
			return
		}
		wait = seconds(p.PeriodSeconds, 10)
		err := c.ask(&p.ProbeHandler, seconds(p.TimeoutSeconds, 1))
		ok := err == nil
		if run > 0 && ok != last {
			run = 0
		}
		last, run = ok, run+1
		threshold := max(p.SuccessThreshold, 1)
		why := ""
		if !ok {
			threshold, why = max(p.FailureThreshold, 1), err.Error()
			if p.FailureThreshold == 0 {
				threshold = 3
			}
		}
		if run != threshold {
			continue
		}
		if ok && p == c.spec.LivenessProbe {
			continue
		}
		known = true
		if known && !turned(ok, why) {
			return
		}
	}
}

func (c *container) process() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

func (c *container) restartFor(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kill != nil {
		select {
		case c.kill <- why:
		default:
		}
	}
}

func (c *container) ask(h *corev1.ProbeHandler, limit time.Duration) error {
	switch {
	case h.HTTPGet != nil:
		return c.httpGet(h.HTTPGet, limit)
	case h.TCPSocket != nil:
		port, err := c.port(h.TCPSocket.Port)
		if err != nil {
			return err
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(c.host(h.TCPSocket.Host), port), limit)
		if err != nil {
			return err
		}
		return conn.Close()
	case h.Exec != nil:
		return c.exec(h.Exec.Command, limit)
	}
	return errors.New("this kind of probe is not supported here")
}

// hook runs a preStop handler.
func (c *container) hook(h *corev1.LifecycleHandler, grace time.Duration) error {
	switch {
	case h.HTTPGet != nil:
		return c.httpGet(h.HTTPGet, grace)
	case h.Exec != nil:
		return c.exec(h.Exec.Command, grace)
	case h.Sleep != nil:
		select {
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		case <-c.r.ctx.Done():
		}
		return nil
	}
	return errors.New("this kind of hook is not supported here")
}

// Probes of the node come over new connections and trust any certificate.
var probeTransport = &http.Transport{
	DisableKeepAlives: true, Proxy: nil,
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
}

func (c *container) httpGet(g *corev1.HTTPGetAction, limit time.Duration) error {
	port, err := c.port(g.Port)
	if err != nil {
		return err
	}
	scheme := strings.ToLower(string(g.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	path := g.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	ctx, cancel := context.WithTimeout(c.r.ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(c.host(g.Host), port)+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/proc")
	for _, h := range g.HTTPHeaders {
		if strings.EqualFold(h.Name, "host") {
			req.Host = h.Value
			continue
		}
		req.Header.Add(h.Name, h.Value)
	}
	client := &http.Client{Transport: probeTransport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 10<<10))
	if res.StatusCode < 200 || res.StatusCode >= 400 {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

func (c *container) host(given string) string {
	if given != "" {
		return given
	}
	return c.r.net.ip.String()
}

func (c *container) port(p intstr.IntOrString) (string, error) {
	if p.Type == intstr.Int {
		return strconv.Itoa(p.IntValue()), nil
	}
	for _, cp := range c.spec.Ports {
		if cp.Name == p.StrVal {
			return strconv.Itoa(int(cp.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("no port %q", p.StrVal)
}

// exec runs a command inside the container.
func (c *container) exec(command []string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(c.r.ctx, limit)
	defer cancel()
	cmd, err := c.enter(ctx, command)
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %.200s", err, out)
	}
	return nil
}
