# Short targets; each does what its name says. `make test` is what CI runs.
GO ?= go
ARGS ?=

build: ## the binary, ./verifier
	$(GO) build -trimpath -o verifier ./cmd/verifier

demo: build ## see it at work in about a minute; ARGS=--good, ARGS=--keep
	./verifier demo $(ARGS)

test: tools vet unit crash ## everything that must pass

tools: ## what tests need: installed through apt where that is possible, else named
	./testdata/tools.sh

vet:
	$(GO) vet ./...
	@command -v golangci-lint >/dev/null && golangci-lint run || echo "golangci-lint is not here: go vet alone"

unit:
	$(GO) test ./...

crash: ## kill -9 at every step of the front-door test
	$(GO) test -tags crash -run Crash -timeout 10m ./cmd/verifier

race:
	$(GO) test -race -timeout 15m ./...

fuzz: ## each fuzz test for a while
	$(GO) test -run '^$$' -fuzz FuzzLiterals -fuzztime 30s ./sources

bench: ## durable events, wake lateness, a month's report, idle memory
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 20m ./store ./cmd/verifier

clean:
	rm -f verifier

.PHONY: build demo test tools vet unit crash race fuzz bench clean
