package recipes

import (
	"fmt"
	"slices"
	"strings"
)

// holds reports whether the neighbour's value makes the setting exist.
func (k condition) holds(value string) bool {
	if k.values[0] == "*" {
		return value != ""
	}
	return slices.Contains(k.values, value)
}

// valueOf returns the text of a key of a table, or its default. ok is false if
// it has neither.
func valueOf(n *node, s *section, key string) (string, bool) {
	if v := n.get(key); v != nil {
		if v.kind == isScalar {
			return v.text, true
		}
		return "given", true
	}
	if f := s.byName[key]; f != nil && f.preset != nil {
		return *f.preset, true
	}
	return "", false
}

// refused says that a setting does not go with its neighbour.
func refused(f *field, k condition, got string) string {
	switch {
	case k.values[0] == "*":
		return fmt.Sprintf("%s has no meaning without %s", f.name, k.key)
	case got == "":
		return fmt.Sprintf("%s is for %s %s only", f.name, k.key, strings.Join(k.values, ", "))
	}
	return fmt.Sprintf("%s is not used by %s %s", f.name, k.key, got)
}

// refusal says what to do about it.
func refusal(path string, k condition) string {
	if k.values[0] == "*" {
		return "remove it, or add " + join(path, k.key)
	}
	return fmt.Sprintf("remove it, or choose %s: %s", join(path, k.key), strings.Join(k.values, " or "))
}
