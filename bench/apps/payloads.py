"""What every application of the benchmark serves.

| request | answer |
|---|---|
| `GET /plaintext` | `text/plain`, `Hello, World!` |
| `GET /json` | `{"message": "Hello, World!"}`, serialised anew each time |
| `GET /users/{id}` | `{"id": 42}`, the id converted to a number |
| `POST /echo` | the body |
| `GET /big` | 64 KiB, one part |
| `GET /stream` | 10 parts of 100 bytes, length not announced |
| `POST /upload` | the number of bytes of the body |

WebSockets carry text:

| path | what happens |
|---|---|
| `/ws` | every message comes back |
| `/members` | `joined`; from then on everything that is published |
| `/publish` | every message goes to all members, and nothing comes back |

Where the server brings no way to publish, a message is sent to one member after the other.
"""

from __future__ import annotations

HELLO = b"Hello, World!"
MESSAGE = "Hello, World!"
BIG = bytes(range(256)) * 256
PART = b"0123456789" * 10
PARTS = 10
JOINED = "joined"
