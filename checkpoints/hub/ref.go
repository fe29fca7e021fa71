package hub

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Prefix begins what this package fetches.
const Prefix = "hf://"

// Kind is what a repository holds.
type Kind string

const (
	Model   Kind = "models"
	Dataset Kind = "datasets"
)

// Ref names a repository at a revision, and perhaps a file in it.
type Ref struct {
	Kind     Kind
	Name     string // ORG/NAME
	Revision string // a branch, tag or commit
	Path     string // of a file or folder of a data set; "" for all of it
}

// A name has no leading dot and no "--", which separates its parts in the cache.
var namePart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)

// ParseRef reads hf://ORG/NAME[@REVISION] or hf://datasets/ORG/NAME[@REVISION][/PATH].
// A revision with a slash is written with %2F.
func ParseRef(s string) (Ref, error) {
	fail := func(why string) (Ref, error) {
		return Ref{}, fmt.Errorf("%q: %s (hint: hf://ORG/NAME, hf://ORG/NAME@REVISION or hf://datasets/ORG/NAME/FILE)", s, why)
	}
	rest, ok := strings.CutPrefix(s, Prefix)
	if !ok {
		return fail("does not begin with " + Prefix)
	}
	r := Ref{Kind: Model, Revision: "main"}
	if after, ok := strings.CutPrefix(rest, "datasets/"); ok {
		r.Kind, rest = Dataset, after
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 2 {
		return fail("names no repository")
	}
	name, revision, pinned := strings.Cut(parts[1], "@")
	if pinned {
		r.Revision = strings.ReplaceAll(revision, "%2F", "/")
	}
	for _, p := range []string{parts[0], name} {
		if !namePart.MatchString(p) || strings.Contains(p, "--") || strings.Contains(p, "..") {
			return fail(fmt.Sprintf("%q is no name of a repository", p))
		}
	}
	r.Name = parts[0] + "/" + name
	if len(parts) == 3 {
		r.Path = strings.TrimSuffix(parts[2], "/")
	}
	switch {
	case !local(r.Revision):
		return fail(fmt.Sprintf("%q is no revision", r.Revision))
	case r.Kind == Model && len(parts) == 3:
		return fail("a model is fetched whole, without a path")
	case r.Path != "" && !local(r.Path):
		return fail(fmt.Sprintf("%q is no path within a repository", r.Path))
	}
	return r, nil
}

// String is the inverse of ParseRef.
func (r Ref) String() string {
	s := Prefix
	if r.Kind == Dataset {
		s += "datasets/"
	}
	s += r.Name
	if r.Revision != "main" {
		s += "@" + strings.ReplaceAll(r.Revision, "/", "%2F")
	}
	if r.Path != "" {
		s += "/" + r.Path
	}
	return s
}

// local reports whether a slash-separated name stays below where it begins, on
// any system.
func local(name string) bool {
	return name != "" && name == path.Clean(name) && name != "." && !path.IsAbs(name) &&
		name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\:\x00")
}
