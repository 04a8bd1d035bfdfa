"""A collector that takes events over HTTP, made with aiohttp, which fails at every third request.

usage: receiver.py PORT JOURNAL

What it takes is durable in the journal before it answers: for each request one line of JSON with the
batch's id and body.
"""

import itertools
import json
import os
import sys

from aiohttp import web

AUTHORIZATION = "Splunk s3cret-of-the-receiver"
# A body that is longer, once decompressed, is refused (413): by aiohttp, not by us.
LARGEST = 128 << 10


def busy(request):
    raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})


def fail(request):
    raise web.HTTPInternalServerError()


def hang_up(request):
    request.transport.abort()


# What goes wrong at every third request, in turn: whether the events were taken before, and how.
FAILURES = itertools.cycle([(False, busy), (True, fail), (False, hang_up), (True, hang_up)])


class Receiver:
    def __init__(self, journal):
        self.journal = open(journal, "a", encoding="utf-8")
        self.requests = itertools.count(1)

    async def take(self, request):
        if request.headers.get("Authorization") != AUTHORIZATION:
            raise web.HTTPUnauthorized()
        body = await request.text()
        takes, how = next(FAILURES) if next(self.requests) % 3 == 0 else (True, None)
        if takes:
            self.keep(request.headers["X-Batch-Id"], body)
        if how:
            how(request)
        return web.Response()

    def keep(self, batch, body):
        self.journal.write(json.dumps({"batch": batch, "body": body}) + "\n")
        self.journal.flush()
        os.fsync(self.journal.fileno())


def main():
    port, journal = sys.argv[1:]
    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/events", Receiver(journal).take)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


main()
