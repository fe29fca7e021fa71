package checkpoints

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"

	"stillhouse/checkpoints/internal/durable"
)

// FormatVersion is the version of the layout that Save writes. Another one is
// not read.
const FormatVersion = 1

// The files of a checkpoint. The optimizer's is absent where it starts fresh.
const (
	weightsFile   = "weights.safetensors"
	optimizerFile = "optimizer.safetensors"
	stateFile     = "state.json"
	manifestFile  = "manifest.json"
)

// State is where training stands, apart from weights and optimizer. Nothing in
// it depends on the clock: equal runs give equal bytes.
type State struct {
	FormatVersion int             `json:"format_version"` // set by Save
	Name          string          `json:"name,omitempty"` // e.g. stage-2; a checkpoint with a name is kept
	Stage         int             `json:"stage"`
	Phase         int             `json:"phase"`
	Step          int64           `json:"step"`        // taken in the phase
	GlobalStep    int64           `json:"global_step"` // taken in the run
	Tokens        int64           `json:"tokens"`
	Data          json.RawMessage `json:"data,omitempty"` // position in the training stream
	RNG           json.RawMessage `json:"rng,omitempty"`
	MetricsBytes  int64           `json:"metrics_bytes"`  // length of metrics.jsonl, set by Save
	ISA           string          `json:"isa,omitempty"`  // instruction set of the kernels: other ones round otherwise
	Skip          []int64         `json:"skip,omitempty"` // batches that are not to be trained on again
	LossScale     float64         `json:"loss_scale"`
	Extra         json.RawMessage `json:"extra,omitempty"`
}

// Manifest says what a checkpoint consists of.
type Manifest struct {
	FormatVersion int            `json:"format_version"`
	CreatedBy     string         `json:"created_by"`
	Checkpoint    string         `json:"checkpoint"` // the folder's name
	Files         []ManifestFile `json:"files"`      // sorted by name
	SHA256        string         `json:"sha256"`     // of the manifest with this field empty
}

// ManifestFile is one file of a checkpoint.
type ManifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// add notes a file that was written.
func (m *Manifest) add(name string, d durable.Digest) {
	m.Files = append(m.Files, ManifestFile{name, d.Size, hex.EncodeToString(d.SHA256[:])})
}

// encode returns the file's bytes, the only ones that decodeManifest takes for
// these values.
func (m Manifest) encode() []byte {
	m.SHA256 = ""
	sum := sha256.Sum256(indent(m))
	m.SHA256 = hex.EncodeToString(sum[:])
	return indent(m)
}

func indent(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // plain fields always encode
		panic(fmt.Sprintf("checkpoints: encode %T: %v", v, err))
	}
	return append(b, '\n')
}

// decodeManifest returns the manifest if b is byte for byte what encode gives
// for it: even a changed space is a change.
func decodeManifest(b []byte) (Manifest, error) {
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	var m Manifest
	switch err := json.Unmarshal(b, &version); {
	case err != nil:
		return m, fmt.Errorf("not JSON: %w", err)
	case version.FormatVersion != FormatVersion:
		return m, fmt.Errorf("format version %d, this program reads %d", version.FormatVersion, FormatVersion)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, err
	}
	if got := m.encode(); !bytes.Equal(got, b) {
		var again Manifest
		if err := json.Unmarshal(got, &again); err == nil && again.SHA256 != m.SHA256 {
			return m, fmt.Errorf("its own SHA-256 is %s, it says %s", short(again.SHA256), short(m.SHA256))
		}
		return m, errors.New("not in the form it was written in")
	}
	return m, m.checkFiles()
}

// checkFiles checks that the files are those of a checkpoint, each once: a name
// from a manifest becomes a path.
func (m Manifest) checkFiles() error {
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, []string{stateFile, weightsFile}) && !slices.Equal(names, []string{optimizerFile, stateFile, weightsFile}) {
		return fmt.Errorf("lists the files %q", names)
	}
	return nil
}

// short returns the first eight digits of a digest.
func short(digest string) string { return digest[:min(8, len(digest))] }

// createdBy names the program and its version.
func createdBy() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "stillhouse"
	}
	return "stillhouse " + info.Main.Version
}

// Problem is one thing wrong with a checkpoint.
type Problem struct {
	Checkpoint string // path of its folder
	File       string // in the folder; "" for the folder itself
	What       string
}

func (p Problem) String() string { return filepath.Join(p.Checkpoint, p.File) + ": " + p.What }

// encodeState returns the bytes of state.json. A number that is not finite or a
// RawMessage that is not JSON is an error.
func encodeState(s State) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the state: %w", err)
	}
	return append(b, '\n'), nil
}
