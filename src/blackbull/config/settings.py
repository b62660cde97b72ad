"""Every setting on one page: its name, unit, default, range and sentence."""

from __future__ import annotations

from dataclasses import dataclass

from .choices import ClientCert, Environment, LogFormat, LogLevel, WorkerStart
from .contradictions import refuse_contradictions
from .setting import KeyPairs, Kind, SettingInfo, check, describe, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one process serves. Made once, then passed to whoever needs it.

    Times are seconds and sizes are bytes; a time of 0 means: no limit.

    Raises:
        ConfigurationError: a value is out of its range, or values contradict each other.
    """

    environment: Environment = setting(  # noqa: RUF009 - it makes a field, not a value
        Environment.DEVELOPMENT,
        "BLACKBULL_ENV",
        kind=Kind.CHOICE,
        sentence="What the process runs for; only development shows tracebacks to clients.",
    )

    # ------------------------------------------------------------------ where it listens

    host: str = setting(
        "127.0.0.1",
        "BLACKBULL_HOST",
        kind=Kind.TEXT,
        sentence="The address that is bound; :: is every address, 0.0.0.0 every IPv4 address.",
    )
    port: int = setting(
        8000,
        "BLACKBULL_PORT",
        kind=Kind.COUNT,
        maximum=65535,
        sentence="The TCP port of the HTTP listener; 0 lets the system choose one.",
    )
    unix_path: str | None = setting(
        None,
        "BLACKBULL_UNIX_PATH",
        kind=Kind.TEXT,
        sentence="The path of a Unix socket to bind instead of host and port.",
    )
    bind: tuple[str, ...] = setting(
        (),
        "BLACKBULL_BIND",
        kind=Kind.TEXTS,
        sentence="Where to listen instead of host and port: host:port, unix:/path, fd://3, ...",
    )
    proxy_protocol: tuple[str, ...] = setting(
        (),
        "BB_PROXY_PROTOCOL",
        kind=Kind.TEXTS,
        sentence="Whose PROXY header begins every connection: addresses; on: private networks.",
    )
    trusted_proxies: str | None = setting(
        None,
        "BB_TRUSTED_PROXIES",
        kind=Kind.TEXT,
        sentence="Proxies whose word on a client is taken: addresses, networks, unix; or *, all.",
    )

    # ------------------------------------------------------------------ TLS

    certfile: str | None = setting(
        None,
        "BLACKBULL_CERT",
        kind=Kind.TEXT,
        sentence="The certificate chain, a PEM file; it turns TLS on.",
    )
    keyfile: str | None = setting(
        None,
        "BLACKBULL_KEY",
        kind=Kind.TEXT,
        sentence="The certificate's private key, a PEM file.",
    )
    password: str | None = setting(
        None,
        "BLACKBULL_KEY_PASSWORD",
        kind=Kind.TEXT,
        sentence="What private keys are encrypted with.",
        secret=True,
    )
    sni: KeyPairs | None = setting(  # noqa: RUF009 - it makes a field, not a value
        None,
        "BLACKBULL_SNI",
        kind=Kind.KEY_PAIRS,
        sentence="More certificates, by the name that a client asks for: NAME=CERT,KEY;...",
    )
    client_ca: str | None = setting(
        None,
        "BLACKBULL_CLIENT_CA",
        kind=Kind.TEXT,
        sentence="The authorities of client certificates, a PEM file; clients need one then.",
    )
    client_cert: ClientCert = setting(  # noqa: RUF009 - it makes a field, not a value
        ClientCert.REQUIRED,
        "BLACKBULL_MTLS",
        kind=Kind.CHOICE,
        sentence="Whether a client needs a certificate: required, or optional.",
    )
    certificate_interval: float = setting(
        5.0,
        "BB_CERTIFICATE_INTERVAL",
        kind=Kind.SECONDS,
        sentence="How often certificate files are looked at for a change; 0: never.",
    )

    # ------------------------------------------------------------------ processes

    uvloop: bool | None = setting(
        None,
        "BB_UVLOOP",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether the event loop is uvloop's; auto: if it is installed.",
    )
    workers: int = setting(
        1,
        "BB_WORKERS",
        kind=Kind.COUNT,
        maximum=1024,
        sentence="Processes that serve; 0: as many as there are processors.",
    )
    worker_start: WorkerStart = setting(  # noqa: RUF009 - it makes a field, not a value
        WorkerStart.AUTO,
        "BB_WORKER_START",
        kind=Kind.CHOICE,
        sentence="How a worker starts: fork, spawn (a fresh interpreter) or auto: fork if safe.",
    )
    worker_start_timeout: float = setting(
        60.0,
        "BB_WORKER_START_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a worker may take to start before it is killed.",
    )
    worker_timeout: float = setting(
        30.0,
        "BB_WORKER_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a worker may give no sign of life before it is killed and replaced.",
    )
    max_requests: int = setting(
        0,
        "BB_MAX_REQUESTS",
        kind=Kind.COUNT,
        sentence="Requests after which a worker is replaced by a fresh one; 0: never.",
    )
    max_requests_jitter: int = setting(
        0,
        "BB_MAX_REQUESTS_JITTER",
        kind=Kind.COUNT,
        sentence="How many more it may be, at random, so that not all are replaced at once.",
    )
    socket_reuseport: bool | None = setting(
        None,
        "BB_SOCKET_REUSEPORT",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether each worker has a queue of its own for a TCP port; auto: on Linux.",
    )
    reload: bool | None = setting(
        None,
        "BLACKBULL_RELOAD",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether to serve anew whenever a source file changes; auto: no.",
    )
    reload_paths: tuple[str, ...] = setting(
        (),
        "BLACKBULL_RELOAD_PATHS",
        kind=Kind.TEXTS,
        sentence="Files and directories that are watched as well, whatever they hold.",
    )

    # ------------------------------------------------------------------ logs

    access_log: bool = setting(
        True,
        "BB_ACCESS_LOG",
        kind=Kind.SWITCH,
        sentence="Whether each request, WebSocket and raw connection leaves a record at its end.",
    )
    access_log_query: bool = setting(
        False,
        "BB_ACCESS_LOG_QUERY",
        kind=Kind.SWITCH,
        sentence="Whether these records show queries, in which there may be secrets.",
    )
    request_ids: bool = setting(
        False,
        "BB_REQUEST_IDS",
        kind=Kind.SWITCH,
        sentence="Whether responses say their request's id, and log records of handlers know it.",
    )
    log_level: LogLevel = setting(  # noqa: RUF009 - it makes a field, not a value
        LogLevel.WARNING,
        "BB_LOG_LEVEL",
        kind=Kind.CHOICE,
        sentence="The least severe of the framework's own records that is written.",
    )
    log_format: LogFormat = setting(  # noqa: RUF009 - it makes a field, not a value
        LogFormat.TEXT,
        "BB_LOG_FORMAT",
        kind=Kind.CHOICE,
        sentence="How records are written: a line for people, or a line of JSON.",
    )
    log_color: bool | None = setting(
        None,
        "BB_LOG_COLOR",
        kind=Kind.AUTO_SWITCH,
        sentence="Whether lines have colours; auto: on a terminal; see NO_COLOR and FORCE_COLOR.",
    )
    log_file: str | None = setting(
        None,
        "BB_LOG_FILE",
        kind=Kind.TEXT,
        sentence="The file that records are appended to instead of stderr; it may be rotated.",
    )
    syslog_address: str | None = setting(
        None,
        "BB_SYSLOG_ADDR",
        kind=Kind.TEXT,
        sentence="Where records go instead, as syslog: host:port, or the path of a socket.",
    )
    async_logging: bool = setting(
        True,
        "BB_ASYNC_LOGGING",
        kind=Kind.SWITCH,
        sentence="Whether a thread writes the records; else the loop waits for each of them.",
    )
    log_batch_size: int = setting(
        512,
        "BB_LOG_BATCH_SIZE",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Access records that are made into lines together, at the most.",
    )
    log_batch_timeout_ms: int = setting(
        100,
        "BB_LOG_BATCH_TIMEOUT_MS",
        kind=Kind.COUNT,
        unit="ms",
        sentence="How long a record waits for others to be handed over with.",
    )
    log_queue: int = setting(
        50000,
        "BB_LOG_QUEUE",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Access records that wait while nothing can be written; more are lost.",
    )

    # ------------------------------------------------------------------ connections, requests

    max_connections: int = setting(
        0,
        "BB_MAX_CONNECTIONS",
        kind=Kind.AUTO_COUNT,
        sentence="Connections served at a time, more are refused; 0: as files and memory allow.",
    )
    max_connections_per_address: int = setting(
        0,
        "BB_MAX_CONNECTIONS_PER_ADDRESS",
        kind=Kind.COUNT,
        sentence="Connections of one IPv4 address, or of one IPv6 network of 64 bits; 0: any.",
    )
    socket_backlog: int = setting(
        1024,
        "BB_SOCKET_BACKLOG",
        kind=Kind.COUNT,
        minimum=1,
        maximum=2147483647,
        sentence="Connections that the system holds ready for a listener that is busy.",
    )
    socket_sndbuf: int = setting(
        0,
        "BB_SOCKET_SNDBUF",
        kind=Kind.COUNT,
        unit="bytes",
        maximum=1073741823,
        sentence="What the system keeps for a peer that does not read; 0: it finds out by itself.",
    )
    socket_rcvbuf: int = setting(
        0,
        "BB_SOCKET_RCVBUF",
        kind=Kind.COUNT,
        unit="bytes",
        maximum=1073741823,
        sentence="What it keeps of a peer's until we read it (TCP's window); 0: it finds out.",
    )
    header_timeout: float = setting(
        10.0,
        "BB_HEADER_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a request's head, and what detection needs, may take to arrive.",
    )
    body_timeout: float = setting(
        30.0,
        "BB_BODY_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long the next part of a request's content may take to arrive.",
    )
    body_total_timeout: float = setting(
        1800.0,
        "BB_BODY_TOTAL_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a request's content may be waited for in all.",
    )
    write_timeout: float = setting(
        30.0,
        "BB_WRITE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a peer may take nothing of what we have for it.",
    )
    keep_alive_timeout: float = setting(
        5.0,
        "BB_KEEP_ALIVE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a connection may be idle between two requests.",
    )
    tcp_user_timeout_ms: int = setting(
        0,
        "BB_TCP_USER_TIMEOUT_MS",
        kind=Kind.COUNT,
        unit="ms",
        maximum=2147483647,
        sentence="How long a peer's system may acknowledge nothing; 0: as long as ours allows.",
    )
    request_timeout: float = setting(
        0.0,
        "BB_REQUEST_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a request may take as a whole, its handler included.",
    )
    drain_timeout: float = setting(
        8.0,
        "BB_WORKER_DRAIN_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long requests may go on after the process was told to stop; 0: not at all.",
    )
    header_max_line: int = setting(
        8192,
        "BB_HEADER_MAX_LINE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=64,
        sentence="The longest request line or field line.",
    )
    header_max_total: int = setting(
        65536,
        "BB_HEADER_MAX_TOTAL",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=64,
        sentence="The longest head of a request, and the longest trailer section.",
    )
    max_body_size: int = setting(
        31457280,
        "BB_MAX_BODY_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="The most content of one request.",
    )
    min_body_rate: float = setting(
        240.0,
        "BB_MIN_BODY_RATE",
        kind=Kind.RATE,
        unit="bytes/s",
        sentence="How fast a request's content must arrive on average; 0: as slowly as it likes.",
    )
    min_body_rate_grace: float = setting(
        5.0,
        "BB_MIN_BODY_RATE_GRACE",
        kind=Kind.SECONDS,
        sentence="How long content may arrive before its rate is judged.",
    )

    # ------------------------------------------------------------------ HTTP/2

    h2_max_concurrent_streams: int = setting(
        100,
        "BB_H2_MAX_CONCURRENT_STREAMS",
        kind=Kind.COUNT,
        minimum=1,
        maximum=2147483647,
        sentence="Requests that an HTTP/2 connection may have under way; more are refused.",
    )
    h2_active_streams: int = setting(
        20,
        "BB_H2_ACTIVE_STREAMS",
        kind=Kind.COUNT,
        minimum=1,
        sentence="Handlers that run at a time for one HTTP/2 connection; other requests wait.",
    )
    h2_initial_window_size: int = setting(
        65535,
        "BB_H2_INITIAL_WINDOW_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        maximum=2147483647,
        sentence="Content that an HTTP/2 request may send before any of it is read.",
    )
    h2_connection_window_size: int = setting(
        65535,
        "BB_H2_CONNECTION_WINDOW_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=65535,
        maximum=2147483647,
        sentence="The same for all requests of an HTTP/2 connection together.",
    )
    h2_max_window_size: int = setting(
        1048576,
        "BB_H2_MAX_WINDOW_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        maximum=2147483647,
        sentence="How large these two may grow where a client could send faster.",
    )
    h2_send_buffer: int = setting(
        65536,
        "BB_H2_SEND_BUFFER",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=1,
        sentence="Content of an HTTP/2 response that waits for the client before its handler does.",
    )
    h2_max_frame_size: int = setting(
        16384,
        "BB_H2_MAX_FRAME_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        minimum=16384,
        maximum=16777215,
        sentence="The longest HTTP/2 frame.",
    )
    h2_header_table_size: int = setting(
        4096,
        "BB_H2_HEADER_TABLE_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        maximum=1048576,
        sentence="What a client may have us remember of its HTTP/2 header fields.",
    )
    h2_max_continuations: int = setting(
        32,
        "BB_H2_MAX_CONTINUATIONS",
        kind=Kind.COUNT,
        sentence="CONTINUATION frames of one HTTP/2 header block.",
    )
    h2_idle_timeout: float = setting(
        300.0,
        "BB_H2_IDLE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long an HTTP/2 client may be silent before it is asked for a sign of life.",
    )
    h2_ping_timeout: float = setting(
        30.0,
        "BB_H2_PING_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long that sign may take.",
    )
    frame_rate_window: float = setting(
        1.0,
        "BB_FRAME_RATE_WINDOW",
        kind=Kind.SECONDS,
        minimum=0.001,
        sentence="The time in which a client's control frames are counted.",
    )
    frame_rate_limit: int = setting(
        20,
        "BB_FRAME_RATE_LIMIT",
        kind=Kind.COUNT,
        sentence="PING, SETTINGS, GOAWAY and empty DATA frames, of each as many, in that time.",
    )
    h2_max_priority_frames: int = setting(
        100,
        "BB_H2_MAX_PRIORITY_FRAMES",
        kind=Kind.COUNT,
        sentence="Frames of mere advice, of each kind, beyond two per response, in that time.",
    )
    h2_max_window_updates: int = setting(
        1000,
        "BB_H2_MAX_WINDOW_UPDATES",
        kind=Kind.COUNT,
        sentence="WINDOW_UPDATE frames beyond two per frame of content, in that time.",
    )
    h2_max_resets: int = setting(
        100,
        "BB_H2_MAX_RESETS",
        kind=Kind.COUNT,
        sentence="Streams reset by a client or its fault, beyond two per response, in that time.",
    )
    h2_max_refused_streams: int = setting(
        1000,
        "BB_H2_MAX_REFUSED_STREAMS",
        kind=Kind.COUNT,
        sentence="Streams beyond those that may be under way, in that time.",
    )
    h2_enable_websocket: bool = setting(
        False,
        "BB_H2_ENABLE_WEBSOCKET",
        kind=Kind.SWITCH,
        sentence="Whether a WebSocket can be opened within an HTTP/2 connection (RFC 8441).",
    )
    h2_max_websockets: int = setting(
        5,
        "BB_H2_WS_MAX_STREAMS_PER_CONNECTION",
        kind=Kind.COUNT,
        sentence="WebSockets that may be open within one HTTP/2 connection.",
    )

    # ------------------------------------------------------------------ WebSocket

    ws_permessage_deflate: bool = setting(
        True,
        "BB_WS_PERMESSAGE_DEFLATE",
        kind=Kind.SWITCH,
        sentence="Whether WebSocket messages are compressed for clients that offer it.",
    )
    ws_compression_level: int = setting(
        1,
        "BB_WS_DEFLATE_LEVEL",
        kind=Kind.COUNT,
        minimum=1,
        maximum=9,
        sentence="How hard WebSocket messages are compressed: 1 is fast, 9 is small.",
    )
    ws_compression_min_size: int = setting(
        64,
        "BB_WS_DEFLATE_MIN_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="The smallest WebSocket message that is compressed.",
    )
    ws_context_takeover: bool = setting(
        False,
        "BB_WS_CONTEXT_TAKEOVER",
        kind=Kind.SWITCH,
        sentence="Whether compression looks back at a WebSocket's earlier messages.",
    )
    ws_context_memory: int = setting(
        67108864,
        "BB_WS_CONTEXT_MEMORY",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="What earlier messages may take of all WebSockets; past it, none look back.",
    )
    ws_queue_depth: int = setting(
        256,
        "BB_WS_QUEUE_DEPTH",
        kind=Kind.COUNT,
        sentence="WebSocket messages that wait for a handler; 0: it reads each one itself.",
    )
    ws_queue_size: int = setting(
        1048576,
        "BB_WS_QUEUE_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="What waiting messages of a WebSocket may take before reading pauses.",
    )
    ws_max_frame_payload: int = setting(
        67108864,
        "BB_WS_MAX_FRAME_PAYLOAD",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="The largest payload of a WebSocket frame.",
    )
    ws_max_message_size: int = setting(
        16777216,
        "BB_WS_MAX_MESSAGE_SIZE",
        kind=Kind.COUNT,
        unit="bytes",
        sentence="The largest WebSocket message, whole and inflated.",
    )
    ws_message_timeout: float = setting(
        300.0,
        "BB_WS_MESSAGE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a WebSocket message may take to arrive, all its frames.",
    )
    ws_idle_timeout: float = setting(
        300.0,
        "BB_WS_IDLE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a WebSocket may be silent before it is pinged.",
    )
    ws_pong_timeout: float = setting(
        30.0,
        "BB_WS_PONG_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a pinged WebSocket may stay silent.",
    )
    ws_close_timeout: float = setting(
        10.0,
        "BB_WS_CLOSE_TIMEOUT",
        kind=Kind.SECONDS,
        sentence="How long a client may take to answer the closing of a WebSocket.",
    )

    def __post_init__(self) -> None:
        check(self)
        refuse_contradictions(self)


def describe_settings() -> tuple[SettingInfo, ...]:
    """Return what is to be known about every setting, in the order of :class:`Settings`."""
    return describe(Settings)
