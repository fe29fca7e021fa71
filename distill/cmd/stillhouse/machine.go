package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// machine is what this computer has; 0 is not known.
type machine struct {
	RAM  int64 // that this process may use
	Free int64 // of that, now
	Disk int64 // free where runs go
}

func thisMachine(dir string) machine {
	m := machine{Disk: freeDisk(existing(dir))}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(info)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			m.RAM = kib << 10
		case "MemAvailable:":
			m.Free = kib << 10
		}
	}
	// A container may have less than the machine.
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && limit > 0 && limit < m.RAM {
			m.RAM, m.Free = limit, min(m.Free, limit)
		}
	}
	return m
}

// existing is dir, or the nearest folder above it that is there.
func existing(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "."
		}
		dir = up
	}
}
