package hf

import (
	"errors"
	"fmt"
	"strings"
)

// The errors, in the order in which a folder can fail.
var (
	// ErrConfig says that config.json is not what it should be.
	ErrConfig = errors.New("bad config.json")
	// ErrUnsupported says that the model is sound and asks for something that
	// is not done here. The whole of it is an *UnsupportedError.
	ErrUnsupported = errors.New("not supported")
	// ErrWeights says that the weights are not those of the configuration.
	ErrWeights = errors.New("the weights do not fit config.json")
)

// UnsupportedError names what a model asks for in vain.
type UnsupportedError struct {
	ModelType string
	Features  []string // each as a key and its value, or in words; never empty
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.ModelType, ErrUnsupported, strings.Join(e.Features, "; "))
}

// Unwrap returns ErrUnsupported.
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

func unsupported(modelType, format string, args ...any) error {
	return &UnsupportedError{modelType, []string{fmt.Sprintf(format, args...)}}
}

// in says in which folder; for the root of an fs.FS, which has no name, the caller
// does.
func in(folder string, err error) error {
	if folder == "." {
		return fmt.Errorf("hf: %w", err)
	}
	return fmt.Errorf("hf: %s: %w", folder, err)
}
