package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// Exit codes, as `stillhouse help exit-codes` prints them. Codes not listed
// mean failure too.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitPartial  = 3
	exitGate     = 10
	exitVerify   = 11
	exitLimit    = 12
	exitLocked   = 13
	exitInternal = 70
)

const exitCodesHelp = `0    success
1    the command failed
2    wrong usage, or a recipe with mistakes
3    partly done: some runs of an ablation failed
10   a stage's gate was not met; its checkpoint is kept
11   a file is damaged or does not verify
12   it does not fit, or a limit was reached; the state is saved
13   another process works in the run folder
70   an internal error: a bug, please report it
130  interrupted (SIGINT); the state is saved
143  terminated (SIGTERM); the state is saved

Any other code is a failure as well. Two come from outside: 141 when who read the
output went away (SIGPIPE), 2 when the Go runtime itself gives up.`

// exitCodesTopic is a page of the help, not a command.
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesHelp}
}

// codedError is an error with the exit code it asks for.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode returns the code that an error carries.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var c *codedError
	if errors.As(err, &c) {
		return c.code
	}
	return exitFailed
}

// codeOf maps an error of any package to its exit code.
func codeOf(err error) int {
	var problems recipes.Problems
	switch {
	case errors.As(err, &problems), errors.Is(err, distill.ErrChanged):
		return exitUsage
	case errors.Is(err, distill.ErrGate):
		return exitGate
	case errors.Is(err, checkpoints.ErrDamaged):
		return exitVerify
	case errors.Is(err, distill.ErrLimit):
		return exitLimit
	case errors.Is(err, checkpoints.ErrLocked):
		return exitLocked
	}
	return exitCode(err)
}

func isInterrupted(err error) bool { return errors.Is(err, distill.ErrInterrupted) }
