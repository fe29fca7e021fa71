// Command stillhouse turns a pretrained transformer into an attention–Mamba
// hybrid: it scores the layers, replaces the least critical ones in stages and
// distils every stage against the teacher. Start with: stillhouse run quickstart.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
)

func main() { os.Exit(execute(os.Args[1:])) }

// execute runs one command line and returns the exit code. A panic is a bug and
// has a code of its own: Go would exit with 2, which here means wrong usage.
func execute(args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "internal error: %v\n\n%s\nThis is a bug: please report it with the text above.\n", r, debug.Stack())
			code = exitInternal
		}
	}()
	ctx, signals := catchSignals(context.Background())
	defer signals.stop()
	a := newApp(os.Stdout, os.Stderr)
	err := a.command().ExecuteContext(withArgs(ctx, a, args))
	return a.finish(err, signals)
}
