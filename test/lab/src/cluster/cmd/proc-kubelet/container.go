package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// container runs one container of a pod, again and again as its restart policy
// asks.
type container struct {
	r       *podRunner
	spec    *corev1.Container
	init    bool
	sidecar bool
	index   int
	logs    *logBuffer
	began   chan struct{} // closed once started (its startup probe passed)
	ended   chan struct{}

	once     sync.Once
	restarts int32

	mu   sync.Mutex
	pid  int
	box  *sandbox
	kill chan string // why it is to be restarted
}

// Between restarts; a real kubelet waits ten seconds first and doubles up to
// five minutes.
const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// keepRunning runs the container until the pod stops or its restart policy
// leaves it ended, and says whether it ended well.
func (c *container) keepRunning() bool {
	defer close(c.ended)
	backoff := time.Duration(0)
	for !c.r.stopping() {
		started := time.Now()
		code, err := c.runOnce()
		if c.r.stopping() {
			return code == 0 && err == nil
		}
		if err != nil {
			c.r.log.Warn("cannot start", "container", c.spec.Name, "err", err)
			c.r.setContainer(c, func(s *corev1.ContainerStatus) {
				no := false
				s.Ready, s.Started = false, &no
				s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}}
			})
			if !c.r.pause(time.Second) {
				return false
			}
			continue
		}
		if !c.restart(code) {
			return code == 0
		}
		if time.Since(started) > 10*time.Second {
			backoff = 0
		}
		if backoff > 0 {
			c.r.setContainer(c, func(s *corev1.ContainerStatus) {
				s.LastTerminationState = s.State
				s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off " + backoff.String()}}
			})
			if !c.r.pause(backoff) {
				return false
			}
		}
		backoff = min(max(2*backoff, firstBackoff), lastBackoff)
		c.restarts++
	}
	return false
}

func (c *container) restart(code int) bool {
	if c.sidecar {
		return true
	}
	switch c.r.pod.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return !c.init || code != 0
}

// runOnce runs the container's process to its end. An error means that it was
// never started.
func (c *container) runOnce() (int, error) {
	box, err := c.sandbox()
	if err != nil {
		return 0, err
	}
	cmd, err := c.r.k.net.startSandbox(c.r.net, box, c.logs)
	if err != nil {
		return 0, err
	}
	startedAt := metav1.Now()
	kill := make(chan string, 1)
	c.mu.Lock()
	c.pid, c.box, c.kill = cmd.Process.Pid, box, kill
	c.mu.Unlock()
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	id := fmt.Sprintf("process://%d", cmd.Process.Pid)
	probed := make(chan struct{})
	c.r.setContainer(c, func(s *corev1.ContainerStatus) {
		no := false
		s.Ready, s.Started, s.RestartCount, s.ContainerID = false, &no, c.restarts, id
		if s.State.Terminated != nil {
			s.LastTerminationState = s.State
		}
		s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: startedAt}}
	})
	go func() {
		defer close(probed)
		c.probe(exited)
	}()
	c.watchOver(cmd, kill, exited)
	<-probed
	c.mu.Lock()
	c.pid, c.box, c.kill = 0, nil, nil
	c.mu.Unlock()
	code := exitCode(cmd.ProcessState)
	c.r.setContainer(c, func(s *corev1.ContainerStatus) {
		no := false
		s.Started, s.Ready = &no, c.init && code == 0
		reason := "Completed"
		if code != 0 {
			reason = "Error"
		}
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(code), Reason: reason, StartedAt: startedAt, FinishedAt: metav1.Now(), ContainerID: id,
		}}
	})
	return code, nil
}

// watchOver returns when the process has ended: by itself, for a failed probe,
// with the pod, or with the kubelet.
func (c *container) watchOver(cmd *exec.Cmd, kill <-chan string, exited <-chan struct{}) {
	select {
	case <-exited:
		return
	case <-c.r.ctx.Done():
	case why := <-kill:
		c.r.log.Warn("restarting", "container", c.spec.Name, "why", why)
		c.terminate(cmd, c.r.specGrace(), exited)
	case <-c.r.stop:
		if c.sidecar {
			c.r.afterOthers()
		}
		c.terminate(cmd, c.r.grace, exited)
	}
	_ = cmd.Process.Kill()
	<-exited
}

// terminate runs the preStop hook and sends SIGTERM; it returns when the
// process has ended or the grace period, which counts from the hook on, is over.
func (c *container) terminate(cmd *exec.Cmd, grace time.Duration, exited <-chan struct{}) {
	deadline := time.After(grace)
	if l := c.spec.Lifecycle; l != nil && l.PreStop != nil {
		hook := make(chan struct{})
		go func() {
			defer close(hook)
			if err := c.hook(l.PreStop, grace); err != nil {
				c.r.log.Warn("preStop", "container", c.spec.Name, "err", err)
			}
		}()
		select {
		case <-hook:
		case <-exited:
			return
		case <-deadline:
			// A kubelet leaves a process two more seconds after a hook that was
			// too slow.
			deadline = time.After(2 * time.Second)
		case <-c.r.ctx.Done():
			return
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-deadline:
	case <-c.r.ctx.Done():
	}
}

func (r *podRunner) specGrace() time.Duration {
	if s := r.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// afterOthers waits for the end of the containers that are not sidecars.
func (r *podRunner) afterOthers() {
	for _, c := range r.containers {
		if !c.init {
			select {
			case <-c.ended:
			case <-r.ctx.Done():
			case <-time.After(r.grace):
			}
		}
	}
}

// sandbox describes the container's world from its spec and its image.
func (c *container) sandbox() (*sandbox, error) {
	im, err := c.r.k.images.find(c.spec.Image)
	if err != nil {
		return nil, err
	}
	env, vals, err := c.r.k.environ(c.r.ctx, c.r.pod, c.spec, im, c.r.net.ip.String())
	if err != nil {
		return nil, err
	}
	argv := im.argv(c.spec.Command, c.spec.Args)
	if len(argv) == 0 {
		return nil, errors.New("no command")
	}
	for i := range argv {
		argv[i] = expand(argv[i], vals)
	}
	box := &sandbox{
		Root: filepath.Join(c.r.dir, c.spec.Name), Hostname: c.r.pod.Name, Argv: argv, Env: env,
		Dir: "/", ShareHostname: c.r.pod.Spec.HostNetwork,
	}
	for _, d := range []string{c.spec.WorkingDir, im.WorkingDir} {
		if d != "" {
			box.Dir = d
			break
		}
	}
	if err := c.secure(box, im); err != nil {
		return nil, err
	}
	if box.Mounts, err = im.mounts(); err != nil {
		return nil, err
	}
	if err := c.mountVolumes(box); err != nil {
		return nil, err
	}
	return box, c.writeRoot(box)
}

func (c *container) mountVolumes(box *sandbox) error {
	mounts := slices.Clone(c.spec.VolumeMounts)
	sort.SliceStable(mounts, func(i, j int) bool { return len(mounts[i].MountPath) < len(mounts[j].MountPath) })
	for _, m := range mounts {
		path, err := c.r.volumes.path(m.Name)
		if err != nil {
			return err
		}
		if m.SubPath != "" {
			path = filepath.Join(path, filepath.Clean("/"+m.SubPath))
			if real, err := filepath.EvalSymlinks(path); err == nil {
				path = real
			} else if err := os.MkdirAll(path, 0o777); err != nil {
				return err
			}
		}
		box.Mounts = append(box.Mounts, mount{Source: path, Target: m.MountPath, ReadOnly: m.ReadOnly || c.r.volumes.readOnly(m.Name)})
	}
	return nil
}

// readOnly tells the volumes that no container may write to.
func (v *podVolumes) readOnly(name string) bool {
	for _, vol := range v.pod.Spec.Volumes {
		if vol.Name == name {
			return vol.Secret != nil || vol.ConfigMap != nil || vol.Projected != nil || vol.DownwardAPI != nil
		}
	}
	return false
}

// writeRoot writes the part of the root that belongs to no image and no volume.
func (c *container) writeRoot(box *sandbox) error {
	if err := os.RemoveAll(box.Root); err != nil {
		return err
	}
	for _, d := range []string{"", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(box.Root, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(box.Root, "tmp"), 0o1777); err != nil {
		return err
	}
	domain := c.r.k.dnsDomain
	hosts := "127.0.0.1\tlocalhost\n"
	if !c.r.pod.Spec.HostNetwork {
		hosts += c.r.net.ip.String() + "\t" + c.r.pod.Name + "\n"
	}
	for _, a := range c.r.pod.Spec.HostAliases {
		hosts += a.IP + "\t" + strings.Join(a.Hostnames, "\t") + "\n"
	}
	user := strconv.Itoa(box.UID)
	for name, text := range map[string]string{
		"etc/hosts":         hosts,
		"etc/resolv.conf":   fmt.Sprintf("search %[1]s.svc.%[2]s svc.%[2]s %[2]s\nnameserver %[3]s\noptions ndots:5\n", c.r.pod.Namespace, domain, c.r.k.nodeIP),
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"etc/hostname":      c.r.pod.Name + "\n",
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nuser:x:" + user + ":" + strconv.Itoa(box.GID) + ":user:/:/bin/sh\n",
		"etc/group":         "root:x:0:\nuser:x:" + strconv.Itoa(box.GID) + ":\n",
	} {
		if err := os.WriteFile(filepath.Join(box.Root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// waitListening returns once the process's network namespace has a listening
// TCP or a bound UDP socket, the process has ended, or limit has passed.
func waitListening(pid int, exited <-chan struct{}, limit time.Duration) {
	deadline := time.After(limit)
	for !listening(pid) {
		select {
		case <-exited:
			return
		case <-deadline:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func listening(pid int) bool {
	for name, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			continue
		}
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			if w := strings.Fields(sc.Text()); len(w) > 3 && w[3] == state {
				f.Close()
				return true
			}
		}
		f.Close()
	}
	return false
}
