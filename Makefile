# Short targets; each does what its name says. `make test` is what CI runs.
GO ?= go
ARGS ?=

build: ## the binary, ./verifier
	$(GO) build -trimpath -o verifier ./cmd/verifier

demo: build ## see it at work in about a minute; ARGS=--good, ARGS=--keep
	./verifier demo $(ARGS)

test: tools vet unit ## everything that must pass

tools: ## what tests need: installed through apt where that is possible, else named
	./testdata/tools.sh

vet:
	$(GO) vet ./...
	@command -v golangci-lint >/dev/null && golangci-lint run || echo "golangci-lint is not here: go vet alone"

unit:
	$(GO) test ./...

race:
	$(GO) test -race -timeout 15m ./...

fuzz: ## each fuzz test for a while
	$(GO) test -run '^$$' -fuzz FuzzLuceneStaysInItsLiteral -fuzztime 30s ./sources
	$(GO) test -run '^$$' -fuzz FuzzPromQLStaysInItsLiteral -fuzztime 30s ./sources
	$(GO) test -run '^$$' -fuzz FuzzNRQLStaysInItsLiteral -fuzztime 30s ./sources
	$(GO) test -run '^$$' -fuzz FuzzParseLucene -fuzztime 30s ./sources
	$(GO) test -run '^$$' -fuzz FuzzLoad -fuzztime 30s ./rules
	$(GO) test -run '^$$' -fuzz FuzzMapAPI -fuzztime 30s ./intake
	$(GO) test -run '^$$' -fuzz FuzzMapGitHub -fuzztime 30s ./intake
	$(GO) test -run '^$$' -fuzz FuzzReadCSV -fuzztime 30s ./intake
	$(GO) test -run '^$$' -fuzz FuzzMonth -fuzztime 10s ./report

bench: ## what is promised and what this machine does, in a few minutes; idle memory beside Alertmanager's where that is installed
	$(GO) test -run '^$$' -bench '^BenchmarkGoals$$' -benchtime 1x -timeout 15m ./cmd/verifier

bench-parts: ## the store alone, and what a question to a log file costs
	$(GO) test -run '^$$' -bench . -timeout 20m ./store ./sources

clean:
	rm -f verifier

.PHONY: build demo test tools vet unit race fuzz bench bench-parts clean
