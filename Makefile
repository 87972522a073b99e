# Short targets; each does what its name says. `make test` is what CI runs.
GO ?= go
ARGS ?=
FUZZTIME ?= 30s

build: ## the binary, ./verifier
	$(GO) build -trimpath -o verifier ./cmd/verifier

demo: build ## see it at work in about a minute; ARGS=--good, ARGS=--keep
	./verifier demo $(ARGS)

test: tools vet unit ## everything that must pass on any machine

check: lint vet race-quick clients ## what to run before a change goes in

tools: ## what tests need: installed through apt where that is possible, else named
	./testdata/tools.sh

vet:
	$(GO) vet ./...

lint: bin/golangci-lint ## golangci-lint and gofumpt, of the versions in tools/go.mod; building them the first time takes minutes
	bin/golangci-lint run ./...
	@wrong=$$(bin/gofumpt -l $$(git ls-files '*.go')); [ -z "$$wrong" ] || { echo "make fmt would change:"; echo "$$wrong"; exit 1; }

fmt: bin/golangci-lint
	bin/gofumpt -w $$(git ls-files '*.go')

bin/golangci-lint: tools/go.mod
	mkdir -p bin
	cd tools && $(GO) build -o ../bin/ tool
	@touch $@

clients: ## the client is built for Linux, macOS and Windows
	for os in linux darwin windows; do GOOS=$$os $(GO) build -o /dev/null ./cmd/verifier || exit 1; done

race-quick:
	$(GO) test -race -timeout 10m . ./stats ./record ./rules ./outbound ./intake ./rollback ./sinks ./report

unit:
	$(GO) test -parallel 6 ./...

race:
	$(GO) test -race -timeout 15m ./...

fuzz: ## each fuzz test for a while (FUZZTIME)
	GO="$(GO)" ./testdata/fuzz.sh $(FUZZTIME)

long: ## what takes too long for every change: storms, thirty services, a small budget, simulations, the older Elasticsearch
	VERIFIER_LONG=1 $(GO) test -count 1 -parallel 6 -run 'TestStorm|TestVariantThirty|TestNullSimulation|TestSmallBudget|Elasticsearch' ./cmd/verifier

crash: ## kill the daemon at every step and at random, many times
	VERIFIER_LONG=1 VERIFIER_CRASHES=40 $(GO) test -parallel 6 -count 1 -run TestKilled ./cmd/verifier

bench: ## what is promised and what this machine does, in about eight minutes; idle memory beside Alertmanager's where that is installed
	$(GO) test -run '^$$' -bench '^BenchmarkGoals$$' -benchtime 1x -timeout 15m ./cmd/verifier

bench-judge: ## the judge on labelled cases, beside those of other tools, and its false alarms where nothing changed; some minutes
	$(GO) test -run '^$$' -bench '^BenchmarkJudgement$$' -benchtime 1x -timeout 30m ./cmd/verifier

bench-parts: ## the store alone, and what a question to a log file costs
	$(GO) test -run '^$$' -bench . -timeout 20m ./store ./sources

clean:
	rm -f verifier

.PHONY: build demo test check tools vet lint fmt clients race-quick unit race fuzz long crash bench bench-judge bench-parts clean
