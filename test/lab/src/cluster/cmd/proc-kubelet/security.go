package main

import (
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"golang.org/x/sys/unix"
)

// secure applies the security contexts. A container whose image and context
// name no user runs as 65532.
func (c *container) secure(box *sandbox, im *image) error {
	user, group := int64(defaultUser), int64(-1)
	if im.User != nil {
		user = *im.User
	}
	pod, own := c.r.pod.Spec.SecurityContext, c.spec.SecurityContext
	nonRoot := false
	if pod != nil {
		user, group = orElse(pod.RunAsUser, user), orElse(pod.RunAsGroup, group)
		nonRoot = pod.RunAsNonRoot != nil && *pod.RunAsNonRoot
		for _, g := range pod.SupplementalGroups {
			box.Groups = append(box.Groups, int(g))
		}
		if pod.FSGroup != nil {
			box.Groups = append(box.Groups, int(*pod.FSGroup))
		}
	}
	caps := map[string]bool{}
	for _, n := range defaultCapabilities {
		caps[n] = true
	}
	if own != nil {
		user, group = orElse(own.RunAsUser, user), orElse(own.RunAsGroup, group)
		if own.RunAsNonRoot != nil {
			nonRoot = *own.RunAsNonRoot
		}
		box.ReadOnlyRoot = own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem
		box.NoNewPrivs = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
		if own.Capabilities != nil {
			changeCapabilities(caps, own.Capabilities)
		}
	}
	if nonRoot && user == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	if group < 0 {
		group = user
	}
	for n := range caps {
		box.Capabilities = append(box.Capabilities, n)
	}
	box.UID, box.GID = int(user), int(group)
	return nil
}

func orElse(p *int64, other int64) int64 {
	if p != nil {
		return *p
	}
	return other
}

func changeCapabilities(caps map[string]bool, change *corev1.Capabilities) {
	for _, d := range change.Drop {
		if d == "ALL" {
			clear(caps)
		}
		delete(caps, string(d))
	}
	for _, a := range change.Add {
		caps[strings.TrimPrefix(string(a), "CAP_")] = true
	}
}

// defaultCapabilities are those that container runtimes leave to a container.
var defaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

var capabilityNumbers = map[string]uintptr{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FSETID": unix.CAP_FSETID, "FOWNER": unix.CAP_FOWNER,
	"MKNOD": unix.CAP_MKNOD, "NET_RAW": unix.CAP_NET_RAW, "SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID,
	"SETFCAP": unix.CAP_SETFCAP, "SETPCAP": unix.CAP_SETPCAP, "NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
	"SYS_CHROOT": unix.CAP_SYS_CHROOT, "KILL": unix.CAP_KILL, "AUDIT_WRITE": unix.CAP_AUDIT_WRITE,
	"NET_ADMIN": unix.CAP_NET_ADMIN, "SYS_ADMIN": unix.CAP_SYS_ADMIN, "SYS_PTRACE": unix.CAP_SYS_PTRACE,
}
