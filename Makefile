# "make help" lists the targets.

GOFUMPT     = mvdan.cc/gofumpt@v0.12.0
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM        = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
GOTESTSUM   = gotest.tools/gotestsum@v1.13.0
PROTOC_GEN_GO      = google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC = google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
# The date of the commit, not of the build, so that builds can be repeated.
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
# -s -w leave out the symbol table; stack traces keep their names.
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
GOBUILD  = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'

.DEFAULT_GOAL := build
.PHONY: build deps test-deps test unit sim e2e chaos sync-rounds mutants lint fmt fuzz bench demo demo-down clean help bench-rest rest-diff soak man packages proto proto-check plugin-new test-packages causes jaeger config-diff ui-test alerts bench-observe session

build: ## build bin/pgregent and bin/pgregentctl
	$(GOBUILD) -o bin/pgregent ./cmd/pgregent
	$(GOBUILD) -o bin/pgregentctl ./cmd/pgregentctl

# From the same commands and options that "pgregentctl --help" shows.
MANDIR ?= bin/man
man: build ## the manual pages of pgregentctl into MANDIR, shell completions into bin/completion
	mkdir -p $(MANDIR) bin/completion
	./bin/pgregentctl man $(MANDIR)
	for shell in bash zsh fish; do ./bin/pgregentctl completion $$shell > bin/completion/pgregentctl.$$shell || exit 1; done

deps: ## install PostgreSQL, ZooKeeper and HAProxy for the tests, if missing
	./test/deps/install.sh

# The tests look at our clusters with an independent client, and mix our agents
# with independent ones.
test-deps:
	./test/deps/install.sh --with-patroni

# Packages run two at a time, but whole clusters on their own, two at a time in
# test/e2e: a test mostly waits for servers. The faults of test/chaos come one
# after the other. What fails is run once more: test/README.md tells why.
TESTSUM = $(GO) run $(GOTESTSUM) --format pkgname --hide-summary=skipped --rerun-fails=2 --rerun-fails-max-failures=12 --rerun-fails-report=bin/flaky.txt
# The runtime of these builds orders goroutines always alike: a seed reproduces.
SIM = $(GO) run ./test/sim/ordered bin/ordered && $(GO) test -overlay bin/ordered/overlay.json -count=1
test: test-deps ## all tests with the race detector, then the simulation at full speed
	$(GO) vet ./...
	mkdir -p bin
	$(TESTSUM) --packages="$$($(GO) list ./... | grep -vE '/test/(chaos|conformance|e2e)$$' | tr '\n' ' ')" -- -race -shuffle=on -count=1 -p 2 -timeout 45m
	$(TESTSUM) --packages="./test/e2e ./test/chaos ./test/conformance" -- -race -shuffle=on -count=1 -p 1 -parallel 2 -timeout 45m
	$(SIM) ./test/sim

unit: ## the tests that need no server
	$(GO) test -race -shuffle=on -count=1 ./core/cluster/... ./core/config/... ./core/decide/... ./core/lease/...

# SEED is the first seed; "make sim SEEDS=1 SEED=n" repeats one.
SEEDS ?= 10000
SEED  ?= 1
# Where the time goes is measured once; then thousands of seeds take an eighth
# less of it, which a few would not earn back.
sim: $(shell [ $(SEEDS) -lt 1000 ] || echo bin/sim.pgo) ## whole clusters in virtual time, SEEDS runs of ten minutes with faults
	$(SIM) $(patsubst %,-pgo=$(CURDIR)/%,$^) -timeout 60m -run TestSeeds ./test/sim -seeds $(SEEDS) -seed $(SEED)

bin/sim.pgo:
	export PGREGENT_SIM_WORKER=1 GOMAXPROCS=1 && $(SIM) -o bin/sim.test -run TestSeeds -cpuprofile $(CURDIR)/$@ ./test/sim -seeds 30

e2e: test-deps ## the tests of whole clusters
	$(GO) test -race -shuffle=on -count=1 -timeout 45m ./test/e2e/...

# Each fault CHAOS times, with the long waits; about 8 minutes a round.
CHAOS ?= 5
chaos: test-deps ## the fault-injection campaign on own network namespaces
	PGREGENT_CHAOS=full $(GO) test -race -shuffle=on -count=$(CHAOS) -timeout 120m -v ./test/chaos/...

sync-rounds: test-deps ## kill the leader's node five times in a row in each synchronous mode
	PGREGENT_SYNC_ROUNDS=5 $(GO) test -race -count=1 -timeout 30m -v -run TestSynchronousModeLosesNothing ./test/e2e

causes: test-deps ## twelve kinds of fault, one after another: the record of failovers must name each
	PGREGENT_CAUSES=all $(GO) test -race -count=1 -timeout 30m -v -run TestTheRecordNamesTheCause ./test/e2e

# It builds for some minutes, without its web page.
jaeger: test-deps ## build Jaeger, send it a failover and read the trace back
	./test/deps/jaeger.sh bin/jaeger
	PGREGENT_JAEGER=$(CURDIR)/bin/jaeger $(GO) test -race -count=1 -timeout 10m -v -run TestJaegerShowsOneTrace ./test/e2e

SESSION ?= cmd/pgregentctl/command/testdata/session
session: test-deps ## an operator at a terminal, from a switchover to a failover and its timeline; the screens into SESSION
	mkdir -p $(SESSION)
	PGREGENT_SESSION=$(abspath $(SESSION)) $(GO) test -race -count=1 -timeout 10m -v -run TestScriptedSession ./test/e2e

bench-observe: deps ## what traces and metrics cost, idle and under load, and with a dead collector; 13 minutes
	PGREGENT_BENCH_OBSERVE=1 $(GO) test -run '^$$' -bench 'BenchmarkObservability|BenchmarkDeadCollector' -benchtime 1x -timeout 30m -v ./test/bench

alerts: test-deps ## a real Prometheus scrapes a cluster that is broken in one way after another: the alerts, and the dashboards' queries
	./test/deps/install.sh --with-prometheus
	PGREGENT_ALERTS=1 $(GO) test -race -count=1 -timeout 30m -v -run TestAlertsFireInTheirFaults ./test/e2e

ui-test: ## the cluster page in a real browser during a failover; pictures into bin/ui
	./test/deps/install.sh --with-browser
	mkdir -p bin/ui
	PGREGENT_UI=$(CURDIR)/bin/ui $(GO) test -race -count=1 -timeout 10m -v -run TestClusterPage ./test/e2e

config-diff: test-deps ## start one server with Patroni and with our agent from the same files, and compare what PostgreSQL made of them
	PGREGENT_CONFIG_DIFF=all $(GO) test -count=1 -timeout 40m -v -run TestSameParametersAsPatroni ./test/e2e

mutants: ## break the decision core on purpose, one bug at a time: the tests must notice
	$(GO) run ./test/mutants

lint: ## go vet, gofumpt, staticcheck, go mod tidy; changes nothing
	$(GO) vet ./...
	@unformatted=$$($(GO) run $(GOFUMPT) -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not gofumpt-formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

DIR ?= ../$(NAME)
plugin-new: ## NAME=x [DIR=../x]: write a new plugin that builds and passes the conformance suite
	$(GO) run ./cmd/pgregentctl plugin new --source . "$(NAME)" "$(DIR)"

PROTO_OUT ?= plugins/proto
# The version of protoc is left out: it changes nothing but that comment.
proto: ## generate the Go code of the plugins' contract
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	GOBIN=$$tools $(GO) install $(PROTOC_GEN_GO) && GOBIN=$$tools $(GO) install $(PROTOC_GEN_GO_GRPC) && \
	PATH=$$tools:$$PATH protoc -I plugins/proto --go_out=$(PROTO_OUT) --go_opt=paths=source_relative \
		--go-grpc_out=$(PROTO_OUT) --go-grpc_opt=paths=source_relative plugin.proto && \
	sed -i '/^\/\/ .*protoc  *v/d' $(PROTO_OUT)/plugin.pb.go $(PROTO_OUT)/plugin_grpc.pb.go

proto-check: test-deps ## the generated code is what "make proto" makes
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && $(MAKE) --no-print-directory proto PROTO_OUT=$$out && \
	for f in plugin.pb.go plugin_grpc.pb.go; do diff -u plugins/proto/$$f $$out/$$f || { echo 'run "make proto"'; exit 1; }; done

fmt: ## format all Go files
	$(GO) run $(GOFUMPT) -w .

# Each fuzz target of these packages runs for FUZZTIME.
FUZZTIME ?= 30s
FUZZED    = ./core/config ./core/postgres ./core/cluster ./zkdcs/zkwire ./rest ./rest/health ./rest/client ./rest/certs
fuzz: ## feed random bytes to every parser, FUZZTIME each
	@for p in $(FUZZED); do \
		for t in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$t"; \
			$(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 0x $$p || exit 1; \
		done; \
	done

BENCHTIME ?= 5x
bench: deps ## the write gap of switchover and crash, an idle agent's cost, REST; beside Patroni if installed
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -timeout 60m ./test/bench
	$(GO) test -run '^$$' -bench . -benchmem ./rest/...

bench-rest: ## health checks beside Patroni's by the same wrk line, and beside a crowd of connections
	./test/deps/install.sh --with-patroni --with-wrk
	$(GO) test -run '^$$' -bench 'BenchmarkREST' -benchtime 1x -timeout 30m -v ./test/bench

rest-diff: test-deps ## the REST API beside Patroni's in every state: codes, JSON keys and types; 3 minutes
	PGREGENT_REST_DIFF=1 $(GO) test -count=1 -timeout 20m -run TestDifferences -v ./test/conformance

SOAK ?= 10m
soak: deps ## an agent's memory at each minute of SOAK under health checks and idle connections
	PGREGENT_SOAK=$(SOAK) $(GO) test -count=1 -timeout 120m -run TestSoak -v ./test/bench

.PHONY: bin/pgregent-demo
bin/pgregent-demo:
	$(GOBUILD) -o bin/pgregent-demo ./test/demo

demo: deps build bin/pgregent-demo ## start a cluster of three on this machine and leave it running
	./bin/pgregent-demo up

demo-down: ## end and remove what "make demo" started
	$(GO) run ./test/demo down

# PKG_SIGN_KEY=file signs them; see packaging/README.md.
EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
packages: ## DEB and RPM for amd64 and arm64, list of modules, checksums: into dist/
	GO="$(GO)" NFPM="$(GO) run $(NFPM)" LDFLAGS="$(LDFLAGS)" VERSION="$(VERSION)" SOURCE_DATE_EPOCH="$(EPOCH)" ./packaging/build.sh

test-packages: ## build the packages twice, lint, sign, install, upgrade under load and remove them; root
	./test/deps/install.sh --with-patroni --with-packaging
	PGREGENT_PACKAGES=1 NFPM="$(GO) run $(NFPM)" $(GO) test -count=1 -timeout 90m -v ./test/packages

clean: ## remove what was built
	rm -rf bin dist

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "%-10s %s\n", $$1, $$2 }'
