"""Runs the component's `transform` in another runtime: raw events on standard input, events on
standard output, as `source-host transform` does. Nothing of ours but the component takes part.

usage: second_runtime.py PLUGIN.wasm
"""

import sys

from wasmtime import Engine, Store, WasiConfig
from wasmtime.component import Component, Linker, ResourceHost, ResourceType

PIECE = 64 << 10
BUCKET = 1  # any number: it tells the host's types of resources apart


class Buckets:
    """`wasi:keyvalue/store` in memory; there is one bucket, and its resource is the number 0."""

    def __init__(self):
        self.values = {}

    def define(self, linker):
        with linker.root() as root, root.add_instance("wasi:keyvalue/store@0.2.0-draft") as store:
            store.add_resource("bucket", ResourceType.host(BUCKET), lambda store, rep: None)
            store.add_func("open", self.open)
            store.add_func("[method]bucket.get", self.get)
            store.add_func("[method]bucket.set", self.set)
            store.add_func("[method]bucket.delete", self.delete)

    def open(self, store, identifier):
        return ResourceHost.own(0, BUCKET).to_any(store)

    # A borrowed handle has to be given back before the method returns.

    def get(self, store, bucket, key):
        bucket.drop(store)
        return self.values.get(key)

    def set(self, store, bucket, key, value):
        bucket.drop(store)
        self.values[key] = value

    def delete(self, store, bucket, key):
        bucket.drop(store)
        self.values.pop(key, None)


class Transform:
    """The component's interface of that name."""

    def __init__(self, path):
        engine = Engine()
        self.store = Store(engine)
        self.store.set_wasi(WasiConfig())
        self.store.set_wasi_http()
        linker = Linker(engine)
        linker.add_wasip2()
        linker.add_wasi_http()
        Buckets().define(linker)
        self.instance = linker.instantiate(self.store, Component.from_file(engine, path))
        self.interface = self.instance.get_export_index(
            self.store, "log-pipeline:source/transform@0.1.0"
        )

    def function(self, name):
        index = self.instance.get_export_index(self.store, name, self.interface)
        function = self.instance.get_func(self.store, index)

        def call(*arguments):
            result = function(self.store, *arguments)
            function.post_return(self.store)
            return result

        return call


def main():
    transform = Transform(sys.argv[1])
    push = transform.function("[method]transformer.push")
    finish = transform.function("[method]transformer.finish")
    transformer = transform.function("[static]transformer.open")("{}")
    rejected = 0
    while piece := sys.stdin.buffer.read(PIECE):
        rejected += hand_out(push(transformer, piece))
    rejected += hand_out(finish(transformer))
    transformer.drop(transform.store)
    return 1 if rejected else 0


def hand_out(batch):
    sys.stdout.buffer.write(bytes(batch.events))
    for record in batch.rejected:
        print(f"record {record.number}: {record.reason} ({record.code})", file=sys.stderr)
    return len(batch.rejected)


if __name__ == "__main__":
    sys.exit(main())
