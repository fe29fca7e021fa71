# The first target prints this list.
help:            ## print this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

.PHONY: help build quickstart test race bench lint teacher controls generate generate-check fuzz clean
export CGO_ENABLED ?= 0
GO ?= go
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
BIN = .bin/stillhouse

build:           ## build the stillhouse binary into .bin/
	@mkdir -p .bin
	$(GO) build -o $(BIN) ./distill/cmd/stillhouse

quickstart: build ## distil the embedded teacher into hybrids and write a report, about 3 minutes
	$(BIN) run quickstart $(ARGS)

test: lint       ## everything: format, vet, staticcheck, all tests, portable builds
	$(GO) test -timeout 10m ./...
	$(GO) build -tags purego ./...
	$(GO) test -tags purego ./layers/internal/... 
	GOARCH=arm64 $(GO) vet ./...

race:            ## the concurrent packages under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short ./layers/internal/parallel ./layers/internal/gemm ./data ./checkpoints/... ./distill

bench:           ## the training step against this machine's limits
	$(GO) build -o $(BIN) ./distill/cmd/stillhouse && $(BIN) bench step

lint:            ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -s -l .)" || { echo "gofmt -s would change:"; gofmt -s -l .; exit 1; }
	$(GO) vet ./...
	$(STATICCHECK) ./...

teacher: build   ## train the embedded teacher again, from its recipe
	$(BIN) run teacher --fresh

controls: build  ## staged against one-shot and other initialisers, 3 seeds each
	$(BIN) ablate controls

generate:        ## write the assembly again from its generators
	cd layers/internal/gemm/_asm && $(GO) run . -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg gemm
	cd layers/internal/vec/_asm && $(GO) run . -out ../vec_amd64.s -stubs ../stubs_amd64.go -pkg vec

generate-check: generate ## fail when the committed assembly is not what the generators write
	git diff --exit-code -- layers/internal/gemm layers/internal/vec

fuzz:            ## every fuzz target for a minute each
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s $$p || exit 1; done; done

clean:           ## remove what was built (not runs/)
	rm -rf .bin
