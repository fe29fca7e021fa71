package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// listing is a repository at a commit.
type listing struct {
	commit string
	files  []file
}

// file is one of a repository's, as the Hub lists it.
type file struct {
	name string // slash-separated
	size int64
	hash string // SHA-256, 64 digits; or of a small file Git's blob hash, 40 digits
}

var (
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// largestListing in bytes; the largest repositories have some ten thousand files.
const largestListing = 64 << 20

// list asks for the commit that a revision is, and its files.
func (c *Client) list(ctx context.Context, r Ref) (listing, error) {
	address := fmt.Sprintf("%s/api/%s/%s/revision/%s?blobs=true", c.Endpoint, r.Kind, r.Name, url.PathEscape(r.Revision))
	var raw []byte
	err := c.again(ctx, func() (bool, error) {
		a, err := c.get(ctx, address, nil, http.StatusOK)
		if err != nil {
			return false, err
		}
		defer a.Body.Close()
		raw, err = io.ReadAll(io.LimitReader(a.Body, largestListing))
		return false, err
	})
	var l listing
	if err == nil {
		l, err = parseListing(raw)
	}
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w", r, err)
	}
	return l, nil
}

func parseListing(raw []byte) (listing, error) {
	var answer struct {
		SHA      string
		Siblings []struct {
			Name   string `json:"rfilename"`
			Size   *int64
			BlobID string `json:"blobId"`
			LFS    *struct {
				SHA256 string
				Size   int64
			}
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return listing{}, fmt.Errorf("the answer is no list of files: %w", err)
	}
	l := listing{commit: answer.SHA}
	if !commitPattern.MatchString(l.commit) {
		return listing{}, fmt.Errorf("the answer names no commit but %q", l.commit)
	}
	for _, s := range answer.Siblings {
		if !local(s.Name) {
			return listing{}, fmt.Errorf("a file is called %q, which leads elsewhere", s.Name)
		}
		f := file{name: s.Name, hash: s.BlobID}
		if s.Size != nil {
			f.size = *s.Size
		}
		if s.LFS != nil {
			f.hash, f.size = s.LFS.SHA256, s.LFS.Size
			if !sha256Pattern.MatchString(f.hash) {
				return listing{}, fmt.Errorf("%s has no SHA-256 but %q", f.name, f.hash)
			}
		} else if !commitPattern.MatchString(f.hash) || s.Size == nil {
			return listing{}, fmt.Errorf("%s has no size and hash in the list: it could not be verified", f.name)
		}
		if f.size < 0 {
			return listing{}, fmt.Errorf("%s has %d bytes", f.name, f.size)
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

// address is where a file's bytes are.
func (c *Client) address(r Ref, commit, name string) string {
	base := c.Endpoint + "/"
	if r.Kind == Dataset {
		base += "datasets/"
	}
	return base + r.Name + "/resolve/" + commit + "/" + (&url.URL{Path: name}).EscapedPath()
}

// configFiles chooses what describes a model: its configuration and tokenizer.
func configFiles(all []file) ([]file, error) {
	var chosen []file
	for _, f := range all {
		if slices.Contains([]string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
			"special_tokens_map.json", "chat_template.jinja"}, f.name) {
			chosen = append(chosen, f)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("%w: no config.json; there are %s", ErrNotFound, someNames(all))
	}
	return chosen, nil
}

// shardPattern matches the files that an index brings together, and none of the
// copies in other types that stand beside them.
var shardPattern = regexp.MustCompile(`^model-\d+-of-\d+\.safetensors$`)

// modelFiles chooses what a model needs to be read here: that and its weights as
// safetensors, in one file or in those of an index; no pickles, no code, no second
// copy of the weights.
func modelFiles(all []file) ([]file, error) {
	chosen, err := configFiles(all)
	if err != nil {
		return nil, err
	}
	var one, many []file
	other, shards := 0, 0
	for _, f := range all {
		switch {
		case f.name == "model.safetensors":
			one = append(one, f)
		case shardPattern.MatchString(f.name):
			shards++
			many = append(many, f)
		case f.name == "model.safetensors.index.json":
			many = append(many, f)
		case slices.Contains([]string{".bin", ".pth", ".safetensors", ".gguf"}, path.Ext(f.name)):
			other++
		}
	}
	switch {
	case one != nil: // what is read when there are both
		return append(chosen, one...), nil
	case shards > 0:
		return append(chosen, many...), nil
	}
	return nil, fmt.Errorf("%w: no model.safetensors among its %d files, %d of them weights in another form (hint: take a repository with safetensors; pickles are never opened)", ErrNotFound, len(all), other)
}

// dataFiles chooses a data set's file, or all files of records below a folder.
func dataFiles(all []file, at string) ([]file, error) {
	var chosen []file
	for _, f := range all {
		if f.name == at {
			return []file{f}, nil
		}
		if at != "" && !strings.HasPrefix(f.name, at+"/") {
			continue
		}
		plain := strings.TrimSuffix(strings.ToLower(f.name), ".zst")
		if slices.Contains([]string{".jsonl", ".ndjson", ".parquet"}, path.Ext(plain)) {
			chosen = append(chosen, f)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("%w: no file %q and no .jsonl, .ndjson or .parquet below it; there are %s", ErrNotFound, at, someNames(all))
	}
	return chosen, nil
}

// someNames lists files for people.
func someNames(all []file) string {
	const most = 12
	var names []string
	for _, f := range all[:min(len(all), most)] {
		names = append(names, f.name)
	}
	if len(all) > most {
		names = append(names, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(names, ", ")
}
