package recipes

import (
	"regexp"
	"strconv"
	"strings"
)

// Check looks at the recipe again, now that the number of layers of the teacher
// is known: counts, indices and shares that cannot be are reported with the
// lines that they stand on. 0 means that it is not known; [Load] has checked
// that much already. The error is [Problems].
func (r *Recipe) Check(layers int) error {
	c := &strict{}
	r.check(c, layers)
	return c.found.err()
}

// checker finds what single values cannot show: settings that contradict each
// other.
type checker struct {
	*strict
	*Recipe
	layers int // of the teacher; 0: not known
}

func (r *Recipe) check(c *strict, layers int) {
	if t := r.Teacher.Train; t != nil && layers == 0 {
		layers = t.Geometry.Layers
	}
	if g := r.Teacher.Geometry; g != nil && layers == 0 {
		layers = g.Layers
	}
	k := &checker{c, r, layers}
	k.checkGeneral()
	k.checkTeacher()
	k.checkData()
	k.checkImportance("importance", r.Importance)
	if s := r.Plan.Rescore; s != nil {
		k.checkImportance("plan.rescore", *s)
	}
	k.checkStudent()
	k.checkPlan()
	k.checkObjectives()
	k.checkPhases()
	k.checkStages()
	k.checkFinish()
	k.checkEval()
	k.checkAblations()
}

// problem reports at the first key, unless one of the keys was already found to
// be wrong: then this would be the same mistake twice.
func (k *checker) problem(hint, message string, keys ...string) {
	for _, key := range keys {
		if !k.trusted(key) {
			return
		}
	}
	k.found = append(k.found, at(k.locate(keys[0]), keys[0], hint, "%s", message))
}

func (k *checker) trusted(key string) bool {
	for _, b := range k.bad {
		if b == key || strings.HasPrefix(b, key+".") || strings.HasPrefix(key, b+".") {
			return false
		}
	}
	// Next to an unknown key, what is missing may be what was misspelt.
	for p := key; p != ""; p = parent(p) {
		if k.tree == nil {
			break
		}
		n, _, all := k.tree.find(p)
		if (!all || n.from.Kind == FromDefault) && k.explains(p) {
			return false
		}
	}
	return true
}

func parent(key string) string {
	i := strings.LastIndexByte(key, '.')
	return key[:max(0, i)]
}

// locate returns where a key was written, or the nearest table around it that
// was.
func (k *checker) locate(key string) Origin {
	if k.tree == nil {
		return Origin{}
	}
	for ; key != ""; key = parent(key) {
		n, keyAt, all := k.tree.find(key)
		if !all || n.from.Kind == FromDefault {
			continue
		}
		if n.kind == isScalar || keyAt.Kind == FromDefault || keyAt.Kind == "" {
			return n.from
		}
		return keyAt
	}
	return k.tree.from
}

// at makes the key of a list's entry.
func entryKey(list string, i int) string { return list + "." + strconv.Itoa(i) }

var runName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (k *checker) checkGeneral() {
	if !runName.MatchString(k.Name) {
		k.problem("letters, digits, dot, dash and underscore", "name "+strconv.Quote(k.Name)+" cannot name a folder", "name")
	}
	if k.OutputDir == "" {
		k.problem("leave it out for runs/NAME", "output_dir is empty", "output_dir")
	}
}

// twice reports entries of a list that occur again.
func twice[T comparable](k *checker, list string, values []T, say func(T) string) {
	seen := map[T]bool{}
	for i, v := range values {
		if seen[v] {
			k.problem("keep one of them", say(v)+" is listed twice", entryKey(list, i))
		}
		seen[v] = true
	}
}

func layer(l int) string { return "layer " + strconv.Itoa(l) }

// checkLayers checks a list of layer indices.
func (k *checker) checkLayers(list string, indices []int) {
	twice(k, list, indices, layer)
	for i, l := range indices {
		if k.layers > 0 && l >= k.layers {
			k.problem("layers count from 0 to "+strconv.Itoa(k.layers-1), "there is no layer "+strconv.Itoa(l)+": the teacher has "+strconv.Itoa(k.layers), entryKey(list, i))
		}
	}
}
