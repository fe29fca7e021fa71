// Command stillhouse turns a pretrained transformer into an attention–Mamba
// hybrid: it scores the layers, replaces the least critical ones in stages and
// distils every stage against the teacher. Start with: stillhouse run quickstart.
package main

import (
	"context"
	"io"
	"os"
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

// execute runs one command line and returns the exit code. A panic is a bug and
// has a code of its own: Go would exit with 2, which here means wrong usage. The
// worker goroutines of the kernels hand theirs to the caller, so it is seen here.
func execute(args []string, out, errs io.Writer) (code int) {
	a := newApp(out, errs)
	defer func() {
		if r := recover(); r != nil {
			code = a.crashed(r)
		}
	}()
	ctx, signals := catchSignals(context.Background())
	defer signals.stop()
	a.signals = signals
	ctx = withArgs(ctx, a, args)
	return a.finish(a.command().ExecuteContext(ctx), signals)
}
