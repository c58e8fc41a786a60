"""Several processes that serve as one: ``[server] workers``.

Three kinds of process. The **parent** (``parent``) serves no requests. It binds the sockets, keeps
them open, starts the workers and replaces those that end, takes the signals, and has the admin
listener. The **nursery** (``nursery``) does nothing but fork: it has no loop and one thread, so
forking it is safe, and it has everything imported, so a worker serves some tens of milliseconds
after it was asked for. A **worker** (``worker``) is a proxy like that of one process, with sockets
that it was given, its share of every limit (``shares``), and no admin listener.

Each worker has a **slot**, a number from 0. A slot has a listening socket for each TCP address
(SO_REUSEPORT), an inbox, and a count of connections in memory that all share (``balance``). They
belong to the parent and outlive every worker: what waits in them is served by the next one.

States of a worker: *starting*, until it says ``ready`` or ``failed``; *serving*; *retiring*, once
it takes no new connection, because it was asked to end (SIGTERM to it alone: its slot gets another
worker at once) or because all are; *ended*, when its link closes. Parent and worker talk over a
link (``link``): questions and answers, as in ``admin/source``, and notices. A worker whose link
closes has lost its parent: it takes nothing new, finishes what it has, and ends.

Order of a stop: readiness fails and replies say ``Connection: close``; after ``[shutdown] delay``
the parent lets go of the listening sockets; then each worker lets in who has begun to connect,
closes its own, and drains. The exit code is 0 where every worker had a clean drain.
"""
