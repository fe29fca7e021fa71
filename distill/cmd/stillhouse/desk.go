package main

import (
	"errors"
	"io/fs"

	"stillhouse/distill"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// deskOf is a distill.Desk with what it stands on.
type deskOf struct {
	*distill.Desk
	pool    *layers.Pool
	teacher *distill.Loaded
}

// desk prepares single steps on a recipe's teacher, or on the model named.
func (a *app) desk(r *recipes.Recipe, teacher string, p distill.Progress) (*deskOf, error) {
	var l *distill.Loaded
	var err error
	if teacher != "" {
		l, err = distill.OpenModel(teacher)
	} else if l, err = distill.OpenTeacher(r); errors.Is(err, fs.ErrNotExist) {
		err = usageError("the recipe trains its teacher, and no run of it has (hint: stillhouse run it first, or name a model with --teacher)")
	}
	if err != nil {
		return nil, err
	}
	if l.Tokenizer == nil {
		return nil, usageError("%s has no tokenizer: text cannot be read without it", l.Source)
	}
	pool := layers.NewPool(r.Threads)
	d, err := distill.NewDesk(pool, r, l, p)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &deskOf{d, pool, l}, nil
}
