# The project's commands. `make demo` and `make test` work on a fresh Debian or
# Ubuntu machine with Rust installed: they install what else is missing.

CARGO ?= cargo
COMO  := target/release/como
DEMO  := demo

.PHONY: help deps tools build demo test columnar fmt lint docs deny fuzz bench bench-costs bench-flows bench-sources bench-window bench-wire soak clean

help:
	@echo 'make demo    build, generate a trace, run three modules over it'
	@echo 'make test    format, lints, docs and every test, as continuous integration runs them'
	@echo 'make columnar  the command with Arrow and Parquet, and its tests'
	@echo 'make fuzz    any bytes into every decoder, guided by coverage: SECONDS=60 each'
	@echo 'make bench   measure beside other tools; prints a table, writes JSON'
	@echo 'make bench-flows  compare flow records, their cost, and samples with nfcapd, sfcapd and nfdump'
	@echo 'make bench-wire  measure capture from an interface beside tcpdump'
	@echo 'make bench-sources  measure every kind of source'
	@echo 'make bench-window  keep packets beside dd and tcpdump -w, and ask for some of them'
	@echo 'make bench-costs  three modules on three sources, by what the time is spent on'
	@echo 'make soak    the long runs: many more random cases, many more kills'
	@echo 'make build   the command, optimised: $(COMO)'

# libpcap's headers for live capture; a C++ compiler for the Lua engine.
deps:
	@missing=; \
	printf '#include <pcap/pcap.h>\n' | cc -E -x c - >/dev/null 2>&1 || missing="$$missing libpcap-dev"; \
	command -v c++ >/dev/null 2>&1 || missing="$$missing g++"; \
	command -v cc >/dev/null 2>&1 || missing="$$missing gcc libc6-dev"; \
	[ -z "$$missing" ] && exit 0; \
	command -v apt-get >/dev/null 2>&1 || { echo "please install:$$missing"; exit 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing:$$missing"; \
	$$sudo apt-get update -q && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qy $$missing

# The formatter and the linter, which a minimal toolchain lacks.
tools: deps
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy

build: deps
	$(CARGO) build --release --package como

demo: build
	@mkdir -p $(DEMO)
	$(COMO) gen -w $(DEMO)/trace.pcap seed=1 duration=30s packets=600000
	$(COMO) info $(DEMO)/trace.pcap
	$(COMO) run traffic -r $(DEMO)/trace.pcap -a interval=5s --format table
	$(COMO) run topaddr -r $(DEMO)/trace.pcap -a n=5 -a interval=10s --format table
	$(COMO) run protocol -r $(DEMO)/trace.pcap -a interval=30s --format table ip
	@echo
	@echo 'The trace is $(DEMO)/trace.pcap. Next: $(COMO) run --help'

# The tests run last, so that the last lines say how many there were.
test: tools fmt lint docs deny
	$(MAKE) fuzz SECONDS=3
	$(MAKE) columnar
	$(CARGO) build --package como
	$(CARGO) test --workspace --doc --quiet
	@python=target/python/bin/python; \
	[ -x $$python ] && export COMO_PYTHON=$(CURDIR)/$$python; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo '$(CARGO) nextest run --workspace --no-fail-fast'; $(CARGO) nextest run --workspace --no-fail-fast; \
	else \
		echo '$(CARGO) test --workspace --all-targets --no-fail-fast'; $(CARGO) test --workspace --all-targets --no-fail-fast; \
	fi

# The command with feature `columnar`, tested by itself, and put beside the plain one for the tests
# of it as a whole; and a Python that reads what it writes, where one can be had.
columnar: tools
	$(CARGO) clippy --package como --all-targets --features columnar -- -D warnings
	$(CARGO) test --package como --features columnar --quiet -- columnar:: export::
	$(CARGO) build --package como --features columnar
	cp target/debug/como target/debug/como-columnar
	@python3 -c 'import pyarrow, pandas, duckdb' 2>/dev/null || test -e target/python/done || \
	{ python3 -m venv target/python && target/python/bin/pip install -q pyarrow==26.0.1 pandas==3.1.1 duckdb==2.0.0 && \
	touch target/python/done; } || echo 'no Python reads what is exported: those tests are skipped'

fmt: tools
	$(CARGO) fmt --all --check

lint: tools
	$(CARGO) clippy --workspace --all-targets -- -D warnings

docs: deps
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --quiet

# Licences and advisories of what we depend on (deny.toml), where cargo-deny is installed.
deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		echo '$(CARGO) deny check'; $(CARGO) deny check; \
	else \
		echo 'cargo-deny is not installed: licences and advisories are not checked'; \
	fi

# Each decoder for so many seconds, two at a time on two processors. It needs no other toolchain
# than the tests do; TARGETS=`netflow sflow` runs these alone.
SECONDS ?= 60
fuzz: deps
	CARGO='$(CARGO)' fuzz/run.sh $(SECONDS) $(TARGETS)

bench: build
	$(CARGO) run --release --package como-bench

# Who loses packets of an interface at equal load; skipped with a message without the right to.
bench-wire: build
	$(CARGO) run --release --package como-bench -- wire --packets 300000 --runs 2

bench-sources: build
	$(CARGO) run --release --package como-bench -- sources

# What keeping packets, finding them again and measuring over them costs.
bench-window: build
	$(CARGO) run --release --package como-bench -- window --runs 3

bench-costs: build
	$(CARGO) run --release --package como-bench -- costs --packets 500000 --runs 3

bench-flows: build
	bench/scripts/flows.sh $(COMO)
	$(CARGO) run --release --package como-bench -- samples --packets 200000

# `COMO_SOAK` asks the end-to-end tests for their full counts.
soak: tools
	$(CARGO) build --release --package como
	COMO_SOAK=1 PROPTEST_CASES=100000 $(CARGO) test --workspace --release

clean:
	rm -rf $(DEMO)
	$(CARGO) clean
