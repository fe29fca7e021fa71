package main

import (
	"context"
	"strings"

	"stillhouse/checkpoints/hub"
	"stillhouse/distill"
)

// open reads a model that a user names. What has to be fetched from a Hub for it
// shows how far it is.
func (a *app) open(ctx context.Context, model string) (*distill.Loaded, error) {
	if !strings.HasPrefix(model, hub.Prefix) {
		return distill.OpenModel(model)
	}
	show, err := a.newProgress()
	if err != nil {
		return nil, err
	}
	path, err := distill.Fetch(ctx, model, show)
	if err != nil {
		return nil, err
	}
	l, err := distill.OpenModel(path)
	if err != nil {
		return nil, err
	}
	l.Source = model
	return l, nil
}
