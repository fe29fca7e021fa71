package recipes

import (
	"math"
	"strconv"
	"strings"
)

// guess gives a scalar of no fixed type the one that YAML 1.2 sees in it: an
// arm's value may be anything.
func guess(n *node) any {
	if n.quoted {
		return n.text
	}
	switch n.text {
	case "true":
		return true
	case "false":
		return false
	}
	if i, err := strconv.Atoi(n.text); err == nil {
		return i
	}
	if x, err := strconv.ParseFloat(n.text, 64); err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) && !strings.ContainsAny(n.text, "xXpP_") {
		return x
	}
	return n.text
}
