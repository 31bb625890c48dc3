# The two promises: `make run` and `make test`. Neither asks a question.
.PHONY: run test long lint install-test

# Builds, makes the embedded database in ./data, loads the demo lane and runs a guided day.
run:
	cargo build --release --quiet -p hutong
	@if [ -e ./data/hutong.db ]; then \
	    echo "./data holds a lane already; this is its audit. Remove the folder for a new day."; \
	    ./target/release/hutong --data ./data check; \
	else \
	    ./target/release/hutong --data ./data demo --day --guided --consumers 300; \
	fi

# Installs what the tests need (PostgreSQL's server programs) and passes them all.
test: install-test
	cargo build --tests
	cargo run --quiet -p xtask -- cluster -- cargo xtest

# What is too long for every change: ten million simulated commands, a thousand kills.
long: install-test
	HUTONG_SIM_COMMANDS=10000000 HUTONG_KILLS=1000 \
	    cargo run --quiet -p xtask -- cluster -- cargo xtest --profile long

lint:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo run --quiet -p xtask -- tidy

install-test:
	@./.ci/install
