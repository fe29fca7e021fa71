package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signalState remembers which signal asked the process to stop.
type signalState struct {
	got    atomic.Int32
	gentle atomic.Bool // the command ends by itself, in order
	c      chan os.Signal
	cancel context.CancelFunc
}

// catchSignals cancels the context at the first SIGINT, SIGTERM or SIGHUP, so
// that a run saves and returns; the second ends the process at once, and so does
// the first when the command has nothing to save. SIGPIPE is left alone: who
// reads the output went away, and the process ends without a word.
func catchSignals(parent context.Context) (context.Context, *signalState) {
	ctx, cancel := context.WithCancel(parent)
	s := &signalState{c: make(chan os.Signal, 2), cancel: cancel}
	signal.Notify(s.c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range s.c {
			n := int32(sig.(syscall.Signal))
			if first := s.got.CompareAndSwap(0, n); !first || !s.gentle.Load() {
				os.Exit(128 + int(n))
			}
			_, _ = os.Stderr.WriteString("stopping at the next step; once more to stop at once\n")
			cancel()
		}
	}()
	return ctx, s
}

// code returns 128 plus the signal's number, 0 if none came. SIGHUP counts as
// SIGTERM.
func (s *signalState) code() int {
	switch n := syscall.Signal(s.got.Load()); n {
	case 0:
		return 0
	case syscall.SIGHUP:
		return 128 + int(syscall.SIGTERM)
	default:
		return 128 + int(n)
	}
}

func (s *signalState) stop() {
	signal.Stop(s.c)
	s.cancel()
}
