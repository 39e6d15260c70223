package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sandbox says what a container's process finds around it. The kubelet sends
// it as JSON to a copy of itself, which builds that world and becomes the
// process.
type sandbox struct {
	Root          string
	Mounts        []mount
	ReadOnlyRoot  bool
	Hostname      string
	Dir           string
	Argv          []string
	Env           []string
	UID, GID      int
	Groups        []int
	NoNewPrivs    bool
	Capabilities  []string
	ShareHostname bool
}

type mount struct {
	Source, Target string
	ReadOnly       bool
}

// initWord, as the first argument, makes this program a container's process.
const initWord = "container-init"

// startSandbox starts the process inside the network namespace and returns
// once it runs its own program, or with the reason why it cannot.
func (n *network) startSandbox(p *podNet, s *sandbox, out io.Writer) (*exec.Cmd, error) {
	spec, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	specR, specW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer specR.Close()
	failR, failW, err := os.Pipe()
	if err != nil {
		specW.Close()
		return nil, err
	}
	defer failR.Close()
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC)
	if !s.ShareHostname {
		flags |= unix.CLONE_NEWUTS
	}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"proc-kubelet", initWord}, Env: []string{"GOMAXPROCS=1"},
		Stdout: out, Stderr: out, ExtraFiles: []*os.File{specR, failW},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags, Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	err = n.start(p, cmd)
	failW.Close()
	if err != nil {
		specW.Close()
		return nil, err
	}
	_, err = specW.Write(spec)
	specW.Close()
	why, _ := io.ReadAll(failR)
	if err != nil || len(why) > 0 {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, errors.Join(err, errors.New(string(why)))
	}
	return cmd, nil
}

// becomeContainer is the other side of startSandbox. It returns only errors.
func becomeContainer() error {
	runtime.LockOSThread()
	b, err := io.ReadAll(os.NewFile(3, "spec"))
	if err != nil {
		return err
	}
	s := &sandbox{}
	if err := json.Unmarshal(b, s); err != nil {
		return err
	}
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	if err := s.enterRoot(); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return err
	}
	path, err := s.lookPath(s.Argv[0])
	if err != nil {
		return err
	}
	if err := s.dropPrivileges(); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, s.Argv, s.Env))
}

func (s *sandbox) enterRoot() error {
	if !s.ShareHostname {
		if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
			return fmt.Errorf("hostname: %w", err)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount(s.Root, s.Root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	for _, m := range s.Mounts {
		if err := m.bind(s.Root); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	proc := filepath.Join(s.Root, "proc")
	if err := os.MkdirAll(proc, 0o555); err != nil {
		return err
	}
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	if err := s.devices(); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	if err := os.Chdir(s.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("old root: %w", err)
	}
	if s.ReadOnlyRoot {
		if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("read-only root: %w", err)
		}
	}
	return nil
}

func (m mount) bind(root string) error {
	target := filepath.Join(root, filepath.Clean("/"+m.Target))
	st, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(target); err != nil {
		dir := target
		if !st.IsDir() {
			dir = filepath.Dir(target)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if !st.IsDir() {
			f, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			f.Close()
		}
	}
	if err := unix.Mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !m.ReadOnly {
		return nil
	}
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

func (s *sandbox) devices() error {
	dev := filepath.Join(s.Root, "dev")
	if err := os.MkdirAll(dev, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := (mount{Source: "/dev/" + name, Target: "/dev/" + name}).bind(s.Root); err != nil {
			return err
		}
	}
	shm := filepath.Join(dev, "shm")
	if err := os.Mkdir(shm, 0o777); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", shm, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m"); err != nil {
		return err
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *sandbox) lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, e := range s.Env {
		list, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, d := range filepath.SplitList(list) {
			p := filepath.Join(d, name)
			if st, err := os.Stat(p); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("%s: not found in PATH", name)
}

// dropPrivileges ends with what a container runtime leaves: the user, the
// capabilities in the bounding set, and a process that dies with the kubelet.
func (s *sandbox) dropPrivileges() error {
	keep := map[uintptr]bool{}
	for _, c := range s.Capabilities {
		n, ok := capabilityNumbers[c]
		if !ok {
			return fmt.Errorf("unknown capability %s", c)
		}
		keep[n] = true
	}
	for n := uintptr(0); n <= unix.CAP_LAST_CAP; n++ {
		if !keep[n] {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("capability %d: %w", n, err)
			}
		}
	}
	if err := syscall.Setgroups(s.Groups); err != nil {
		return err
	}
	if err := syscall.Setresgid(s.GID, s.GID, s.GID); err != nil {
		return err
	}
	if err := syscall.Setresuid(s.UID, s.UID, s.UID); err != nil {
		return err
	}
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	// A change of user clears it.
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}
