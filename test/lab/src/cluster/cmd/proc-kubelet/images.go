package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// image is what a container's image name stands for on this machine: a tree
// made of bind mounts, and what a real image's configuration says.
type image struct {
	// Names are the image names, without a tag, that this stands for.
	Names []string `json:"names"`
	// HostLibraries shows the machine's own /usr, /lib, /bin and so on, read
	// only, which dynamically linked programs need.
	HostLibraries bool `json:"hostLibraries"`
	// Mounts are read-only bind mounts: path in the container to path on this
	// machine, which is relative to the image's folder, and may hold * and name
	// environment variables as ${NAME}.
	Mounts     map[string]string `json:"mounts"`
	Entrypoint []string          `json:"entrypoint"`
	Cmd        []string          `json:"cmd"`
	Env        map[string]string `json:"env"`
	WorkingDir string            `json:"workingDir"`
	// User is the uid and gid of containers whose securityContext names none.
	User *int64 `json:"user"`

	// program marks an image that is one static program: it takes the place of
	// the first word of a container's command.
	program bool
}

const defaultUser = 65532

// imageSet finds images by name: those given one by one, then those of folders
// that hold one folder per image. Folders are read again each time, so that an
// image can be added while the lab runs.
type imageSet struct {
	named   map[string]string
	folders []string
}

func (s *imageSet) find(ref string) (*image, error) {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	for _, n := range []string{ref, name} {
		if p, ok := s.named[n]; ok {
			return readImage(p)
		}
	}
	for _, folder := range s.folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			im, err := readImage(filepath.Join(folder, e.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, n := range im.Names {
				if n == name || n == ref {
					return im, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("no local image %s (see --image and --images-dir)", ref)
}

// readImage reads a folder's image.json; a file is a static program.
func readImage(path string) (*image, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		inside := "/" + filepath.Base(path)
		return &image{Mounts: map[string]string{inside: path}, Entrypoint: []string{inside}, program: true}, nil
	}
	b, err := os.ReadFile(filepath.Join(path, "image.json"))
	if err != nil {
		return nil, err
	}
	im := &image{}
	if err := json.Unmarshal(b, im); err != nil {
		return nil, fmt.Errorf("%s/image.json: %w", path, err)
	}
	for target, source := range im.Mounts {
		source = os.ExpandEnv(source)
		if !filepath.IsAbs(source) {
			source = filepath.Join(path, source)
		}
		im.Mounts[target] = source
	}
	return im, nil
}

// mounts lists the image's bind mounts, outer ones first.
func (im *image) mounts() ([]mount, error) {
	var out []mount
	if im.HostLibraries {
		for _, p := range []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ssl", "/etc/ld.so.cache", "/etc/alternatives"} {
			if _, err := os.Stat(p); err == nil {
				out = append(out, mount{Source: p, Target: p, ReadOnly: true})
			}
		}
	}
	for target, source := range im.Mounts {
		if found, err := filepath.Glob(source); err == nil && len(found) > 0 {
			source = found[0]
		}
		real, err := filepath.EvalSymlinks(source)
		if err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		out = append(out, mount{Source: real, Target: target, ReadOnly: true})
	}
	sort.SliceStable(out, func(i, j int) bool { return strings.Count(out[i].Target, "/") < strings.Count(out[j].Target, "/") })
	return out, nil
}

// argv follows the rules for a container's command and args.
func (im *image) argv(command, args []string) []string {
	switch {
	case im.program && len(command) > 0:
		return append(append(append([]string{}, im.Entrypoint...), command[1:]...), args...)
	case im.program:
		return append(append([]string{}, im.Entrypoint...), args...)
	case len(command) > 0:
		return append(append([]string{}, command...), args...)
	case len(args) > 0:
		return append(append([]string{}, im.Entrypoint...), args...)
	}
	return append(append([]string{}, im.Entrypoint...), im.Cmd...)
}
