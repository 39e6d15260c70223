package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	streamIdle     = 4 * time.Hour
	streamCreation = 30 * time.Second
)

// serveExec answers kubectl exec. A terminal is a plain pair of pipes here.
func (k *kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	c := k.container(r.PathValue("ns"), r.PathValue("pod"), r.PathValue("container"))
	if c == nil {
		http.Error(w, "no such container", http.StatusNotFound)
		return
	}
	o, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, c, "", "", "", r.URL.Query()["command"], o, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
}

// ExecInContainer is called back by ServeExec.
func (c *container) ExecInContainer(ctx context.Context, _, _, _ string, command []string, in io.Reader, out, errOut io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	cmd, err := c.enter(ctx, command)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, errOut
	if in != nil {
		// Not cmd.Stdin: that is waited for, and may never end.
		to, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(to, in)
			to.Close()
		}()
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

// enter is a command to run inside the container, as its user.
func (c *container) enter(ctx context.Context, command []string) (*exec.Cmd, error) {
	c.mu.Lock()
	pid, box := c.pid, c.box
	c.mu.Unlock()
	if pid == 0 || len(command) == 0 {
		return nil, errors.New("no process or no command")
	}
	args := append([]string{
		"--target", strconv.Itoa(pid), "--mount", "--net", "--pid", "--ipc", "--uts",
		"--setuid", strconv.Itoa(box.UID), "--setgid", strconv.Itoa(box.GID), "--",
	}, command...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env, cmd.WaitDelay = box.Env, time.Second
	return cmd, nil
}

// servePortForward answers kubectl port-forward.
func (k *kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	runner := k.byName[r.PathValue("ns")+"/"+r.PathValue("pod")]
	k.mu.Unlock()
	if runner == nil {
		http.Error(w, "no such pod", http.StatusNotFound)
		return
	}
	o, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, runner, "", "", o, streamIdle, streamCreation, portforward.SupportedProtocols)
}

// PortForward is called back by ServePortForward: it joins the stream with a
// port of the Pod's own loopback.
func (r *podRunner) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	var conn net.Conn
	err := r.k.net.in(r.net.fd, func() (err error) {
		conn, err = net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 2*time.Second)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]io.ReadWriter{{conn, stream}, {stream, conn}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			if half, ok := pair[0].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	return nil
}
