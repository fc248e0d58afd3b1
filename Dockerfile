# Proofload in a container that has nothing else in it: no shell, no package manager, no root.
#
#   docker build --tag proofload .
#   docker run --rm --network host --volume "$PWD:/work" --user "$(id -u):$(id -g)" proofload run load/quotes.yaml
#
# With --network host, because stub quoters listen where the service under test calls them, and loopback is ours.

FROM rust:1.89-bookworm AS build
WORKDIR /build
# librdkafka is built from its source, with a C and C++ compiler and make: the image has them.
COPY Cargo.toml Cargo.lock ./
# What the manifest names must be there, and what the sources take in.
COPY benches benches
COPY examples examples
COPY docs/verdict.schema.json docs/capacity.schema.json docs/suite.schema.json docs/history.schema.json docs/compare.schema.json docs/
COPY src src
RUN cargo build --release --locked --bin proofload && strip target/release/proofload

# glibc and libgcc are all that the binary asks for.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/proofload /usr/local/bin/proofload
USER nonroot
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/proofload"]
