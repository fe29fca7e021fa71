package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"stillhouse/checkpoints"
)

// runLog is the log of a run: every decision in the run folder and, with -v, on
// stderr. The returned function closes it.
func (a *app) runLog(dir string) (*slog.Logger, func() error) {
	f := &lateFile{path: filepath.Join(dir, checkpoints.LogFile)}
	hs := handlers{slog.NewTextHandler(f, &slog.HandlerOptions{Level: a.level(slog.LevelInfo)})}
	if a.verbose > 0 {
		hs = append(hs, slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: a.level(slog.LevelInfo)}))
	}
	return slog.New(hs), f.Close
}

// level lets -vv see more.
func (a *app) level(usual slog.Level) slog.Level {
	if a.verbose > 1 {
		return slog.LevelDebug
	}
	return usual
}

// lateFile is a file to append to that is opened by the first write: a run logs
// nothing before its folder is there and is its own.
type lateFile struct {
	path string
	file *os.File
}

func (l *lateFile) Write(b []byte) (int, error) {
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return 0, err
		}
		l.file = f
	}
	return l.file.Write(b)
}

func (l *lateFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// handlers hands every record to each.
type handlers []slog.Handler

func (hs handlers) Enabled(ctx context.Context, l slog.Level) bool {
	for _, h := range hs {
		if h.Enabled(ctx, l) {
			return true
		}
	}
	return false
}

func (hs handlers) Handle(ctx context.Context, r slog.Record) (err error) {
	for _, h := range hs {
		if h.Enabled(ctx, r.Level) {
			err = errors.Join(err, h.Handle(ctx, r.Clone()))
		}
	}
	return err
}

func (hs handlers) WithAttrs(as []slog.Attr) slog.Handler {
	out := make(handlers, len(hs))
	for i, h := range hs {
		out[i] = h.WithAttrs(as)
	}
	return out
}

func (hs handlers) WithGroup(name string) slog.Handler {
	out := make(handlers, len(hs))
	for i, h := range hs {
		out[i] = h.WithGroup(name)
	}
	return out
}
