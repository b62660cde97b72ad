"""Everything that a peer can make grow, and what bounds it: the audit behind the page on limits.

A cell names settings, or constants of :data:`CONSTANTS`, in backticks; where nothing is named it
says why nothing has to be, after ``none:``. ``tests/architecture/test_bounds.py`` holds all of it
to the source.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """One row.

    Attributes:
        what: What a peer can make grow.
        unit: How large one of it may be.
        total: How much of it there may be.
        time: How long it may take.
        told: What the peer is told, or sees.
        tests: Where that is shown: node identifiers below ``tests/``.
        caps: What ``blackbull.caps`` calls it.
    """

    what: str
    unit: str
    total: str
    time: str
    told: str
    tests: tuple[str, ...]
    caps: tuple[str, ...] = ()


CONSTANTS = {
    # connections
    "max_prefix": ("server.connection_actor:MAX_PREFIX", "bytes"),
    "overtime": ("server.admission:OVERTIME", ""),
    "spare_files": ("config.capacity:RESERVED_FILES", ""),
    "max_proxy_line": ("protocol.proxy.version1:MAX_LINE", "bytes"),
    "max_proxy_header": ("protocol.proxy.header:MAX_HEADER", "bytes"),
    "linger_bytes": ("transport.linger:Linger.max_bytes", "bytes"),
    "linger_seconds": ("transport.linger:Linger.seconds", "s"),
    "linger_rounds": ("transport.linger:Linger.rounds", "times"),
    "raw_buffer": ("transport.reader:MAX_BUFFERED", "bytes"),
    "least_taken": ("server.bindings.http1_consumer:LEAST_TAKEN", "bytes"),
    # HTTP
    "max_fields": ("protocol.http1.limits:HTTP1Limits().max_fields", "fields"),
    "max_chunk_line": ("protocol.http1.limits:HTTP1Limits().max_chunk_line", "bytes"),
    "max_chunk_overhead": ("protocol.http1.limits:HTTP1Limits().max_chunk_overhead", "bytes"),
    "max_drain": ("protocol.http1.limits:HTTP1Limits().max_drain", "bytes"),
    "max_buffered": ("server.bindings.http1_consumer:MAX_BUFFERED", "bytes"),
    "max_heads": ("protocol.http1.head:MAX_HEADS", "heads"),
    "max_lines": ("protocol.http1.head:MAX_LINES", "lines"),
    "max_remembered": ("protocol.http1.head:MAX_REMEMBERED", "bytes"),
    "least_part": ("server.bindings.http2_exchange:LEAST_PART", "bytes"),
    "max_reset_streams": ("protocol.http2.streams:MAX_REMEMBERED", "streams that were reset"),
    "max_gaps": ("protocol.http2.streams:MAX_GAPS", "ranges that were skipped"),
    "max_known_blocks": ("protocol.http2.requests:MAX_KNOWN_BLOCKS", "per connection"),
    "max_known_block": ("protocol.http2.requests:MAX_KNOWN_BLOCK", "bytes"),
    "max_known_list": ("protocol.http2.requests:MAX_KNOWN_LIST", "bytes"),
    "stop_seconds": ("server.bindings.http2_consumer:STOP_SECONDS", "s"),
    # WebSocket
    "max_control": ("protocol.websocket.frames:MAX_CONTROL", "bytes"),
    "max_deflate_streams": ("protocol.websocket.deflate:MAX_STREAMS", "compressed streams"),
    "max_extensions": ("protocol.websocket.handshake:MAX_EXTENSIONS", "extensions"),
    "channel_max_queued": ("broadcast:MAX_QUEUED", "messages"),
    # MQTT
    "max_parts": ("mqtt.state.inbound:MAX_PARTS", "objects"),
    "max_unwritten": ("mqtt.binding:MAX_UNWRITTEN", ""),
    "max_routes": ("mqtt.state.routing:MAX_REMEMBERED", "routes"),
    "max_matches": ("mqtt.state.subscriptions:MAX_REMEMBERED", "topics"),
    "max_verdicts": ("mqtt.state.verdicts:MAX_REMEMBERED", "verdicts"),
    "max_remembered_topic": ("mqtt.state.publishing:MAX_REMEMBERED_TOPIC", "bytes"),
    "level_bytes": ("mqtt.state.retention:LEVEL", "bytes"),
    "max_told_aliases": ("mqtt.state.admission:MAX_ALIASES", "topics"),
    "max_followed": ("mqtt.waiting:MAX_QUEUED", "messages"),
    "max_followed_bytes": ("mqtt.waiting:MAX_QUEUED_BYTES", "bytes"),
    "max_happenings": ("actor:DEFAULT_INBOX_MAXSIZE", "calls"),
    "max_waiting_checks": ("mqtt.auth.password_file:MAX_WAITING", ""),
    "max_check_threads": ("mqtt.auth.password_file:MAX_THREADS", "threads"),
    "max_scram_message": ("mqtt.auth.scram:MAX_MESSAGE", "bytes"),
    # the application
    "max_form_fields": ("content:MAX_FORM_FIELDS", "fields"),
    "json_room": ("json:ROOM", "levels"),
    "max_remembered_path": ("routing.router:MAX_REMEMBERED_PATH", "characters"),
    "max_value": ("log.formatters:MAX_VALUE", "characters"),
    "log_max_items": ("log.thread:MAX_ITEMS", "records"),
    "log_max_backlog": ("log.outputs:MAX_BACKLOG", "bytes"),
    "max_known_requests": ("log.formatters:MAX_KNOWN", "requests"),
    "max_known_request": ("log.formatters:MAX_KNOWN_REQUEST", "characters"),
    "max_counted": ("metrics.traffic:MAX_REMEMBERED", "requests"),
    "max_counted_path": ("metrics.traffic:MAX_REMEMBERED_PATH", "characters"),
    "max_shown": ("log.escape:MAX_LENGTH", "characters"),
    "caps_window": ("log.caps:WINDOW", "s"),
}
"""Bounds that are no settings: what the rows call them, where they are below the package, units."""

OURS = {
    "max_requests": "when a worker is replaced",
    "max_requests_jitter": "when a worker is replaced",
    "worker_start_timeout": "our own processes",
    "worker_timeout": "our own processes",
    "drain_timeout": "how long we go on when we stop",
    "ws_compression_min_size": "what we compress of our own",
    "log_batch_size": "how we write our own log",
    "log_batch_timeout_ms": "how we write our own log",
    "max_qos": "what is served, not how much",
    "owner_timeout": "our own processes",
}
"""Settings that look like bounds, and bound nothing that a peer can make grow."""

FLOODS = "fault/test_floods.py::"
SLOW = "fault/test_slow_peers.py::"
HEAD1 = "unit/protocol/http1/test_head.py::"
CONN1 = "unit/protocol/http1/test_connection.py::"
CHUNK1 = "unit/protocol/http1/test_chunked.py::"
CROWDS = "fault/test_connection_caps.py::"
H2 = "fault/test_http2_floods.py::"
ABUSE = "unit/protocol/http2/test_abuse.py::"
WS = "fault/test_slow_websockets.py::"
WS10 = "conformance/rfc6455/test_section_10_limits.py::"
MQTT = "fault/test_mqtt_limits.py::"
MQTT_FLOODS = "fault/test_mqtt_floods.py::"
MQTT_SLOW = "fault/test_mqtt_vanishing.py::"
ROUTES = "interop/test_route_limits.py::"

BOUNDS: dict[str, tuple[Bound, ...]] = {
    "Connections": (
        Bound(
            "connections",
            "`socket_backlog` more wait in the system",
            "`max_connections`",
            "`header_timeout` for the first request",
            "503 with `retry-after`; HTTP/2: `GOAWAY`; MQTT: CONNACK 0x89; others: closed",
            (
                FLOODS + "test_connection_too_many_is_503",
                SLOW + "test_opener_silent_is_408",
                "unit/server/test_admission.py::test_connections_altogether_are_bounded",
                "unit/server/bindings/test_http2_requests.py::test_refuse_says_goaway_and_closes",
                "fault/test_connection_caps.py::test_mqtt_client_too_many_is_told_so_in_its_own_version",
                "scenario/test_raw_bridge.py::test_raw_port_too_many_connections_gets_no_http_text",
                FLOODS + "test_connections_that_wait_in_the_system_are_bounded",
            ),
            ("max_connections",),
        ),
        Bound(
            "connections of one address",
            "none: a connection is one",
            "`max_connections_per_address` over all workers, off unless it is set; "
            "`overtime` more handshakes",
            "`header_timeout` for the first request",
            "as any connection too many; MQTT: CONNACK 0x97",
            (
                "fault/test_connection_caps.py::test_address_with_too_many_connections_is_told_so",
                "unit/server/test_admission.py::"
                "test_addresses_are_forgotten_when_their_connections_end",
                "fault/test_connection_caps.py::test_mqtt_client_too_many_is_told_so_in_its_own_version",
                "fault/test_connection_caps.py::test_handshakes_of_one_address_are_counted",
                "unit/server/test_admission.py::test_connections_of_one_address_are_bounded",
                "fault/test_connection_caps_workers.py::"
                "test_address_has_no_more_connections_for_there_being_more_workers",
            ),
            ("max_connections_per_address",),
        ),
        Bound(
            "connections whose peer has vanished",
            "none: they hold what they held",
            "`max_connections`",
            "`tcp_user_timeout_ms` where we sent something, else the time of what is awaited",
            "nothing: it is gone",
            (
                "fault/test_half_open.py::test_every_wait_for_a_client_that_vanished_ends",
                "fault/test_half_open.py::test_handlers_are_told_of_a_client_that_vanished_when_the_system_is",
            ),
        ),
        Bound(
            "descriptors",
            "none: a connection is one",
            "the process's limit, of which `spare_files` are left to the application",
            "none: as long as the connection",
            "503",
            (
                "fault/test_files_exhausted.py::"
                "test_clients_that_take_every_descriptor_are_refused_and_the_others_served",
                "unit/config/test_capacity.py::test_capacity_leaves_files_to_the_process",
            ),
            ("open_files",),
        ),
        Bound(
            "bytes before the protocol is known",
            "`max_prefix`",
            "the same",
            "`header_timeout`",
            "408 where HTTP is the fallback, else closed",
            (
                "golden/test_connection_dispatch_golden.py::"
                "test_dispatch_endless_opening_goes_to_the_fallback_at_the_limit",
                "golden/test_connection_dispatch_golden.py::"
                "test_dispatch_slow_opener_is_told_408_where_the_fallback_is_http",
                "golden/test_connection_dispatch_golden.py::test_dispatch_slow_opener_gets_no_http_text_elsewhere",
                SLOW + "test_opener_silent_is_408",
            ),
            ("header_timeout",),
        ),
        Bound(
            "TLS handshakes",
            "none: OpenSSL bounds the messages of one",
            "`max_connections` and `overtime` more",
            "`header_timeout`",
            "closed",
            (
                "scenario/test_tls.py::test_slow_handshake_is_cut_and_recorded",
                "scenario/test_tls.py::test_too_many_connections_are_told_so_within_tls",
                "scenario/test_tls.py::test_handshakes_count_as_connections",
                "unit/server/test_admission.py::test_handshakes_count_and_have_a_little_more_room",
            ),
            ("header_timeout", "max_connections"),
        ),
        Bound(
            "a PROXY header",
            "`max_proxy_line`, or in version 2 `max_proxy_header`",
            "the same: there is one",
            "`header_timeout`",
            "closed",
            (
                "unit/protocol/proxy/test_proxy_headers.py::test_v2_header_is_bounded",
                "unit/protocol/proxy/test_proxy_headers.py::test_v1_line_has_107_bytes_at_most",
                "scenario/test_proxy_protocol.py::test_proxy_that_is_too_slow_is_dropped",
                "scenario/test_proxy_protocol.py::test_connection_without_a_header_is_dropped_with_one_line",
            ),
            ("proxy_header",),
        ),
        Bound(
            "what comes after our last word",
            "none: it is thrown away",
            "`linger_bytes`",
            "`linger_seconds`, at most `linger_rounds`",
            "the connection is reset",
            (
                "unit/transport/test_linger.py::"
                "test_linger_sending_peer_is_waited_for_but_not_for_ever",
                "unit/transport/test_linger.py::test_linger_silent_peer_is_dropped_after_one_wait",
                "unit/transport/test_linger.py::test_linger_takes_so_many_bytes",
            ),
        ),
        Bound(
            "access records",
            "`max_value` of a text that the peer said",
            "`log_queue`, in `log_max_items` batches; `log_max_backlog` of lines",
            "none: what finds no room is dropped and counted",
            "nothing",
            (
                "unit/log/test_writing.py::"
                "test_thread_that_is_stuck_keeps_nobody_waiting_and_loses_the_newest",
                "unit/log/test_writing.py::"
                "test_backlog_is_bounded_and_what_is_lost_is_said_behind_what_waited",
                "unit/log/test_formatters.py::test_json_values_are_bounded",
                "unit/log/test_formatters.py::test_plain_texts_of_a_peer_are_bounded",
                "unit/log/test_access.py::test_entries_beyond_what_may_wait_are_lost_and_counted",
                "unit/log/test_formatters.py::test_plain_request_cannot_forge_a_line",
            ),
        ),
        Bound(
            "records on `blackbull.caps`",
            "`max_shown` of anything the peer said",
            "one per connection and limit; 100 of a limit in `caps_window`",
            "none: records are summed up when the connection ends",
            "nothing",
            (
                "unit/log/test_caps.py::"
                "test_record_flood_of_connections_writes_burst_records_and_one_summary",
                "unit/log/test_caps.py::"
                "test_record_more_connections_than_tracked_forgets_the_oldest_with_its_summary",
                "unit/log/test_caps.py::test_record_repeated_is_suppressed_until_the_connection_closes",
                "unit/log/test_escape.py::test_escape_long_text_says_how_much_is_missing",
                "unit/log/test_caps.py::test_record_of_a_limit_is_written_a_hundred_times_a_second",
                "unit/log/test_caps.py::test_record_path_is_shown_up_to_a_length",
            ),
        ),
    ),
    "HTTP/1.1": (
        Bound(
            "request line",
            "`header_max_line`",
            "`header_max_total`, with the fields",
            "`header_timeout`",
            "414 (501 for a method without end); 408",
            (
                FLOODS + "test_head_beyond_a_limit_is_refused_with_its_record",
                SLOW + "test_head_dribbled_is_408",
                SLOW + "test_second_head_dribbled_is_408",
                HEAD1 + "test_head_beyond_a_limit_names_it",
                HEAD1 + "test_head_exactly_at_the_limits_is_taken",
                CONN1 + "test_head_exactly_at_the_limits_is_taken_however_it_arrives",
                CONN1 + "test_head_that_never_ends_is_refused_before_it_does",
                HEAD1 + "test_head_is_as_long_as_it_may_be_to_the_byte",
            ),
            ("header_max_line", "header_timeout"),
        ),
        Bound(
            "fields, and so the query and cookies",
            "`header_max_line`",
            "`header_max_total`, `max_fields`",
            "`header_timeout`",
            "431; 408",
            (
                FLOODS + "test_head_beyond_a_limit_is_refused_with_its_record",
                HEAD1 + "test_head_beyond_a_limit_names_it",
                HEAD1 + "test_head_exactly_at_the_limits_is_taken",
                CONN1 + "test_head_exactly_at_the_limits_is_taken_however_it_arrives",
                CONN1 + "test_head_that_never_ends_is_refused_before_it_does",
                SLOW + "test_head_dribbled_is_408",
                HEAD1 + "test_head_is_as_long_as_it_may_be_to_the_byte",
            ),
            ("header_max_line", "header_max_total", "max_fields", "header_timeout"),
        ),
        Bound(
            "content",
            "`max_buffered` that the handler has not asked for",
            "`max_body_size`",
            "`body_timeout` for a part, `body_total_timeout` for all, "
            "`min_body_rate` after `min_body_rate_grace`",
            "413, without a 100 before it; 408",
            (
                FLOODS + "test_head_beyond_a_limit_is_refused_with_its_record",
                FLOODS + "test_content_of_a_busy_handler_is_not_read_ahead",
                SLOW + "test_content_that_stops_is_408",
                SLOW + "test_content_dribbled_is_408",
                ROUTES + "test_content_without_end_has_one",
                ROUTES + "test_content_beyond_the_limit_is_never_asked_for",
                FLOODS + "test_chunks_beyond_a_limit_are_refused_with_their_record",
                HEAD1 + "test_content_length_beyond_the_limit_is_413",
                CHUNK1 + "test_chunks_exactly_at_the_limits_are_taken_however_they_arrive",
            ),
            ("max_body_size", "body_timeout", "body_total_timeout", "min_body_rate"),
        ),
        Bound(
            "chunk framing and extensions",
            "`max_chunk_line`",
            "`max_chunk_overhead` beyond the content's size",
            "`body_timeout`, as content",
            "400",
            (
                FLOODS + "test_chunks_beyond_a_limit_are_refused_with_their_record",
                CHUNK1 + "test_chunks_beyond_a_limit_name_it",
                CHUNK1 + "test_chunks_exactly_at_the_limits_are_taken_however_they_arrive",
                SLOW + "test_chunks_and_trailers_that_stop_are_408",
            ),
            ("max_chunk_line", "max_chunk_overhead"),
        ),
        Bound(
            "trailers",
            "`header_max_line`",
            "`header_max_total`, `max_fields`",
            "`body_timeout`, as content",
            "431",
            (
                FLOODS + "test_chunks_beyond_a_limit_are_refused_with_their_record",
                CHUNK1 + "test_chunks_beyond_a_limit_name_it",
                CHUNK1 + "test_chunks_exactly_at_the_limits_are_taken_however_they_arrive",
                SLOW + "test_chunks_and_trailers_that_stop_are_408",
            ),
            ("header_max_line", "header_max_total", "max_fields"),
        ),
        Bound(
            "content that nobody wants",
            "none: it is thrown away",
            "`max_drain`, else the connection is closed",
            "`body_timeout` for all of it",
            "closed after the answer",
            (
                SLOW + "test_content_that_is_skipped_has_its_time_too",
                CONN1 + "test_early_answer_keeps_the_connection_if_little_is_unread",
                "conformance/rfc9112/test_section_9_connection.py::test_content_too_large_to_skip_closes_and_the_answer_arrives",
                SLOW + "test_content_that_is_skipped_has_one_time_for_all_of_it",
                FLOODS + "test_chunks_that_nobody_wants_are_read_up_to_a_number",
            ),
        ),
        Bound(
            "pipelined requests",
            "`header_max_total`",
            "`max_buffered`; then the connection is not read",
            "none: they wait for our own handler",
            "TCP's back-pressure",
            (
                FLOODS + "test_pipelined_flood_behind_a_slow_handler_is_not_read",
                FLOODS + "test_pipelined_flood_of_a_client_that_does_not_read_is_not_answered",
            ),
        ),
        Bound(
            "an idle connection",
            "none: it holds nothing",
            "`max_connections`",
            "`keep_alive_timeout`",
            "closed",
            (SLOW + "test_connection_idle_is_closed_without_a_word",),
        ),
        Bound(
            "requests of a connection",
            "none: nothing is kept of one that was answered",
            "none: as many as it likes, one after the other",
            "`keep_alive_timeout` between two",
            "nothing",
            (SLOW + "test_connection_idle_is_closed_without_a_word",),
        ),
        Bound(
            "a handler at work",
            "none: the application's",
            "`max_connections`: one for each",
            "`request_timeout`, off unless it is set",
            "408, or a response that breaks off; the handler is cancelled",
            (
                SLOW + "test_request_that_takes_too_long_is_408",
                ROUTES + "test_route_bounds_the_request_in_http11",
            ),
            ("request_timeout",),
        ),
        Bound(
            "a response that is not read",
            "none: what the handler sends at a time",
            "the sender waits from 64 KiB on",
            "`write_timeout` for each `least_taken`",
            "the connection is reset",
            (
                SLOW + "test_reader_stuck_is_dropped_and_costs_bounded_memory",
                SLOW + "test_reader_stuck_on_a_complete_answer_is_dropped",
                "unit/server/bindings/test_http1_consumer.py::test_answer_that_is_queued_when_we_close_has_the_time_of_writing",
            ),
            ("write_timeout",),
        ),
        Bound(
            "memories of heads",
            "`max_remembered`",
            "`max_heads`, `max_lines` and the like",
            "none: a memory that is full is emptied",
            "nothing",
            (
                "unit/protocol/http1/test_head.py::test_head_memories_when_flooded_stay_bounded",
                HEAD1 + "test_head_larger_than_the_memory_takes_is_parsed_and_forgotten",
                HEAD1 + "test_head_memories_keep_nothing_that_is_longer",
                "unit/protocol/http1/test_render.py::test_memories_of_responses_are_bounded",
            ),
        ),
    ),
    "HTTP/2": (
        Bound(
            "a frame",
            "`h2_max_frame_size`, judged by its header",
            "one at a time",
            "`h2_idle_timeout` between two arrivals, then `h2_ping_timeout`",
            "`GOAWAY` with `FRAME_SIZE_ERROR`",
            (
                H2 + "test_frame_larger_than_announced_is_refused_by_its_header_alone",
                H2 + "test_silent_client_is_pinged_and_left",
                "unit/protocol/http2/test_starting.py::test_frame_of_the_largest_size_is_taken",
            ),
        ),
        Bound(
            "a header block",
            "`header_max_line` for the path and each field",
            "`header_max_total`, `max_fields`, `h2_max_continuations`",
            "`header_timeout`",
            "414, 431; `GOAWAY` with `ENHANCE_YOUR_CALM`",
            (
                H2 + "test_header_block_too_large",
                H2 + "test_flood_of_continuations",
                H2 + "test_header_block_dribbled",
                H2 + "test_silence_in_the_preface",
                "unit/server/bindings/test_http2_requests.py::"
                "test_path_and_fields_have_their_longest_line",
                ABUSE + "test_header_list_that_decompresses_to_much_more_is_refused",
                "unit/protocol/hpack/test_decoder.py::test_list_that_counts_too_much_is_decoded_and_refused",
                "unit/protocol/hpack/test_decoder.py::test_list_with_too_many_fields_is_decoded_and_refused",
                "unit/protocol/http2/test_requests.py::test_authority_has_its_longest_line",
                ABUSE + "test_header_block_without_end_is_bounded_in_frames",
                ABUSE + "test_header_block_without_end_is_bounded_in_size",
                ABUSE + "test_header_block_is_as_large_as_it_may_be_to_the_byte_and_the_frame",
                "unit/protocol/hpack/test_decoder.py::test_list_is_as_long_as_it_may_be_to_the_byte_and_the_field",
                "unit/server/bindings/test_http2_time.py::test_client_that_does_not_finish_its_preface_is_left",
            ),
            (
                "header_max_line",
                "header_max_total",
                "max_fields",
                "h2_max_continuations",
                "header_timeout",
            ),
        ),
        Bound(
            "the table of header fields",
            "`header_max_total`",
            "`h2_header_table_size`",
            "none: it is the connection's",
            "`GOAWAY` with `COMPRESSION_ERROR`",
            (
                "unit/protocol/hpack/test_decoder.py::"
                "test_table_never_counts_more_than_its_capacity",
                "unit/protocol/hpack/test_decoder.py::test_size_update_above_the_limit_is_refused",
                "unit/protocol/http2/test_control.py::test_settings_our_smaller_header_table_binds_once_acknowledged",
                "unit/protocol/hpack/test_encoder.py::test_table_size_above_our_own_changes_nothing",
                "unit/protocol/hpack/test_decoder.py::test_table_is_as_full_as_it_may_be_to_the_byte",
            ),
        ),
        Bound(
            "streams",
            "none: a stream is one request",
            "`h2_max_concurrent_streams`, of which `h2_active_streams` have a handler; "
            "`h2_max_refused_streams` more within `frame_rate_window`",
            "`body_timeout`, `write_timeout`, `request_timeout`",
            "`RST_STREAM` with `REFUSED_STREAM`; `GOAWAY` with `ENHANCE_YOUR_CALM`",
            (
                H2 + "test_requests_beyond_the_limit_again_and_again",
                "unit/server/bindings/test_http2_requests.py::"
                "test_handlers_beyond_the_limit_wait_for_their_turn",
                "unit/protocol/http2/test_streams.py::test_stream_beyond_the_limit_is_refused_and_its_block_decoded",
                "unit/protocol/http2/test_streams.py::test_stream_beyond_the_limit_that_is_malformed_is_refused_too",
                "unit/server/bindings/test_http2_requests.py::test_streams_beyond_the_announced_number_are_refused",
            ),
            ("h2_max_refused_streams",),
        ),
        Bound(
            "content",
            "`h2_initial_window_size`, at most `h2_max_window_size`; kept in parts of `least_part` "
            "or more",
            "`max_body_size`; `h2_connection_window_size` for all that nobody has read",
            "`body_timeout`, `body_total_timeout`, `min_body_rate` after `min_body_rate_grace`",
            "413, 408; `GOAWAY` or `RST_STREAM` with `FLOW_CONTROL_ERROR`",
            (
                "unit/server/bindings/test_http2_requests.py::"
                "test_content_that_becomes_too_much_is_413",
                "unit/server/bindings/test_http2_flow.py::"
                "test_content_that_comes_byte_by_byte_is_not_kept_in_as_many_objects",
                H2 + "test_content_dribbled_is_408",
                ROUTES + "test_route_gives_its_content_time",
                "unit/protocol/http2/test_flow.py::test_content_beyond_max_body_is_refused_while_it_comes",
                "unit/protocol/http2/test_flow.py::test_content_beyond_the_stream_window_loses_the_stream",
                "unit/protocol/http2/test_flow.py::test_content_beyond_the_connection_window_fails",
                "unit/server/bindings/test_http2_flow.py::test_window_never_grows_past_its_bound",
                "unit/server/bindings/test_http2_flow.py::test_connection_window_has_room_for_every_upload_within_its_bound",
                "unit/server/bindings/test_http2_flow.py::test_credit_comes_back_only_for_what_the_handler_takes",
                "unit/server/bindings/test_http2_time.py::test_content_that_does_not_come_is_408",
                "unit/server/bindings/test_http2_requests.py::test_request_beyond_what_is_served_is_answered_with_its_status",
                ROUTES + "test_content_without_end_has_one",
                "unit/protocol/http2/test_flow.py::test_content_that_is_announced_is_judged_before_it_comes",
            ),
            ("max_body_size", "body_timeout", "body_total_timeout", "min_body_rate"),
        ),
        Bound(
            "content that nobody wants",
            "none: it is thrown away",
            "`h2_initial_window_size` beyond the answer",
            "`stop_seconds`",
            "`RST_STREAM` with `NO_ERROR`",
            (
                "unit/server/bindings/test_http2_requests.py::"
                "test_client_that_goes_on_after_its_answer_is_stopped_but_sees_the_answer",
                "unit/protocol/http2/test_flow.py::test_answered_request_gets_no_more_credit_but_holds_up_no_other",
                "unit/server/bindings/test_http2_time.py::test_rest_of_a_request_that_was_answered_does_not_stay",
            ),
        ),
        Bound(
            "a handler at work",
            "none: the application's",
            "`h2_active_streams`",
            "`request_timeout`, off unless it is set; it counts before its turn, too",
            "`RST_STREAM` with `CANCEL`; the handler is cancelled",
            (
                ROUTES + "test_route_bounds_the_request_in_http2",
                "unit/server/bindings/test_http2_time.py::"
                "test_request_timeout_counts_while_a_request_waits_for_its_turn",
                "unit/server/bindings/test_http2_time.py::test_request_timeout_resets_the_stream",
                "unit/server/bindings/test_http2_requests.py::test_handlers_beyond_the_limit_wait_for_their_turn",
            ),
            ("request_timeout",),
        ),
        Bound(
            "responses that are not read",
            "`h2_send_buffer`, then the sender waits",
            "`h2_max_concurrent_streams` of them",
            "`write_timeout` for each `least_taken`",
            "`RST_STREAM` with `CANCEL`; where nothing is read at all, a reset connection",
            (
                H2 + "test_window_never_opened",
                H2 + "test_windows_opened_and_shut_again_and_again",
                H2 + "test_slow_reader_stops_its_own_handlers_only",
                "unit/server/bindings/test_http2_time.py::test_window_opened_by_single_bytes_ends_the_stream",
                "unit/server/bindings/test_http2_time.py::test_transport_that_takes_nothing_costs_the_connection",
                "unit/server/bindings/test_http2_flow.py::test_handler_waits_while_the_client_gives_no_credit_on_its_stream",
            ),
            ("write_timeout",),
        ),
        Bound(
            "PING, SETTINGS, GOAWAY, empty DATA",
            "`h2_max_frame_size`",
            "`frame_rate_limit` of each within `frame_rate_window`",
            "`frame_rate_window`",
            "`GOAWAY` with `ENHANCE_YOUR_CALM`",
            (
                H2 + "test_flood_of_frames",
                H2 + "test_flood_of_empty_data",
                ABUSE + "test_flood_ends_the_connection",
                ABUSE + "test_frames_that_come_slowly_are_no_flood",
                ABUSE + "test_settings_of_many_values_move_each_stream_once",
                ABUSE + "test_limits_can_be_set",
            ),
            ("frame_rate",),
        ),
        Bound(
            "PRIORITY, PRIORITY_UPDATE, unknown frames",
            "`h2_max_frame_size`",
            "`h2_max_priority_frames` within `frame_rate_window`",
            "`frame_rate_window`",
            "`GOAWAY` with `ENHANCE_YOUR_CALM`",
            (
                H2 + "test_flood_of_frames",
                ABUSE + "test_flood_ends_the_connection",
                "unit/protocol/http2/test_priority.py::test_priority_updates_of_streams_to_come_are_kept_in_bounded_memory",
            ),
            ("h2_max_priority_frames",),
        ),
        Bound(
            "WINDOW_UPDATE",
            "none: it has four bytes",
            "`h2_max_window_updates` within `frame_rate_window`",
            "`frame_rate_window`",
            "`GOAWAY` with `ENHANCE_YOUR_CALM`",
            (H2 + "test_flood_of_frames",),
            ("h2_max_window_updates",),
        ),
        Bound(
            "resets, ours included",
            "none: it has four bytes",
            "`h2_max_resets` within `frame_rate_window`",
            "`frame_rate_window`",
            "`GOAWAY` with `ENHANCE_YOUR_CALM`",
            (
                H2 + "test_rapid_reset",
                H2 + "test_flood_on_a_stream_that_was_reset",
                ABUSE + "test_reset_streams_that_are_written_to_again_and_again_end_the_connection",
            ),
            ("h2_max_resets",),
        ),
        Bound(
            "what is known of streams that are over",
            "none: a number",
            "`max_reset_streams`, `max_gaps`",
            "none: the oldest is forgotten",
            "nothing",
            (
                "unit/protocol/http2/test_streams.py::"
                "test_reset_streams_are_remembered_in_bounded_memory",
                "unit/protocol/http2/test_streams.py::"
                "test_skipped_streams_are_remembered_in_bounded_memory",
                H2 + "test_long_connection_keeps_nothing_of_its_streams",
            ),
        ),
        Bound(
            "memories of header blocks",
            "`max_known_block`; its fields count `max_known_list`",
            "`max_known_blocks`",
            "none: a memory that is full is emptied",
            "nothing",
            (
                ABUSE + "test_head_is_remembered_if_its_fields_count_little",
                ABUSE + "test_head_is_remembered_if_its_block_is_short",
                ABUSE + "test_heads_that_are_remembered_are_bounded_in_number",
                H2 + "test_heads_that_refer_to_large_fields_leave_little_behind",
                H2 + "test_attacks_leave_no_memory_behind",
                "unit/protocol/http2/test_requests.py::test_known_sections_are_bounded_in_number_and_size",
                "unit/protocol/http2/test_responses.py::test_memories_of_responses_are_bounded",
            ),
        ),
        Bound(
            "a silent connection",
            "none: it sends nothing",
            "`max_connections`",
            "`h2_idle_timeout`, then `h2_ping_timeout`",
            "PING; `GOAWAY` with `NO_ERROR`",
            (H2 + "test_silent_client_is_pinged_and_left",),
            ("h2_ping_timeout",),
        ),
        Bound(
            "WebSockets within a connection",
            "as any WebSocket: `ws_max_message_size`",
            "`h2_max_websockets`",
            "`ws_idle_timeout`, then `ws_pong_timeout`",
            "`RST_STREAM` with `REFUSED_STREAM`",
            (
                "unit/server/bindings/test_http2_websocket.py::"
                "test_several_websockets_share_a_connection_up_to_a_limit",
                "unit/server/bindings/test_http2_websocket.py::test_bytes_that_wait_for_a_handler_are_not_kept_in_as_many_objects",
                "unit/server/bindings/test_http2_websocket.py::test_handler_that_does_not_read_stops_the_client",
            ),
            ("h2_max_websockets",),
        ),
    ),
    "WebSocket": (
        Bound(
            "what a handshake offers",
            "`header_max_line`",
            "`max_extensions`",
            "`header_timeout`",
            "400",
            (
                "unit/protocol/websocket/test_handshake.py::test_extensions_malformed_are_refused",
                "unit/protocol/websocket/test_handshake.py::test_extensions_are_parsed_up_to_a_number",
            ),
        ),
        Bound(
            "a message",
            "`ws_max_frame_payload`, judged by the frame's header",
            "`ws_max_message_size`, whole and inflated",
            "`ws_message_timeout`",
            "close 1009; 1008 when it takes too long",
            (
                WS10 + "test_frame_that_announces_too_much_fails_before_it_arrives",
                WS10 + "test_message_over_the_limit_in_fragments_fails",
                WS10 + "test_message_over_the_limit_of_its_route_fails",
                WS + "test_message_that_does_not_end_is_closed_with_1008",
                WS10 + "test_frame_over_the_limit_fails_by_its_header",
                WS10 + "test_message_over_the_limit_fails",
                "unit/server/bindings/test_websocket_watch.py::test_watch_looks_at_messages_where_silence_is_no_matter",
                "unit/server/bindings/test_websocket_watch.py::test_watch_ends_a_message_that_takes_too_long",
                "conformance/rfc7692/test_messages.py::test_bomb_is_never_inflated_past_the_limit",
                "conformance/rfc7692/test_messages.py::test_message_that_inflates_to_exactly_the_limit_is_delivered",
                "unit/protocol/websocket/test_limits.py::test_frame_is_as_large_as_it_may_be_to_the_byte",
            ),
            ("ws_max_frame_payload", "ws_max_message_size", "ws_message_timeout"),
        ),
        Bound(
            "messages that wait for the handler",
            "`ws_max_message_size`",
            "`ws_queue_depth`, `ws_queue_size`; then the connection is not read",
            "none: it is the handler that does not read",
            "TCP's back-pressure",
            (
                WS + "test_queue_that_is_full_stops_the_reading",
                WS + "test_queue_is_bounded_in_bytes_as_well",
            ),
        ),
        Bound(
            "compression that looks back",
            "none: a window of 32 KiB and a compressor",
            "`ws_context_memory` for all WebSockets; `max_deflate_streams` in a message",
            "none: it is the connection's",
            "no context takeover; close 1008",
            (
                "unit/protocol/websocket/test_deflate.py::"
                "test_inflating_never_makes_more_than_there_is_room_for",
                "unit/protocol/websocket/test_deflate.py::"
                "test_inflating_too_many_final_blocks_is_refused",
            ),
            ("ws_deflate_streams",),
        ),
        Bound(
            "pings and pongs",
            "`max_control`",
            "`frame_rate_limit` within `frame_rate_window`",
            "`frame_rate_window`",
            "close 1008; one that does not read gets no pongs",
            (
                WS10 + "test_control_frames_in_a_flood_fail_with_1008",
                WS + "test_pings_of_a_client_that_does_not_read_are_not_all_answered",
                "unit/protocol/websocket/test_frames.py::test_header_that_breaks_a_rule_names_code_and_clause",
                "unit/protocol/websocket/test_limits.py::test_control_rate_counts_within_its_window",
                "conformance/rfc6455/test_section_5_framing.py::test_control_frame_long_or_fragmented_fails",
            ),
            ("frame_rate",),
        ),
        Bound(
            "silence",
            "none: it sends nothing",
            "`max_connections`",
            "`ws_idle_timeout`, then `ws_pong_timeout`",
            "a ping; close 1001",
            (WS + "test_client_that_does_not_answer_pings_is_closed_with_1001",),
            ("ws_pong_timeout",),
        ),
        Bound(
            "messages that are not read",
            "none: what the handler sends at a time",
            "the sender waits from 64 KiB on; in a channel `channel_max_queued`",
            "`write_timeout` for each `least_taken`",
            "the connection is reset",
            (
                WS + "test_client_that_does_not_read_stops_the_sender_then_is_cut_off",
                "unit/test_broadcast.py::test_full_queue_drops_by_policy_and_counts",
                "unit/server/bindings/test_websocket_watch.py::test_watch_gives_a_client_that_reads_slowly_more_time",
            ),
            ("write_timeout",),
        ),
        Bound(
            "an end without an answer",
            "none: what comes is thrown away",
            "none: what comes is thrown away",
            "`ws_close_timeout`",
            "the connection is closed",
            (WS + "test_client_that_does_not_answer_our_close_is_cut_off",),
        ),
    ),
    "MQTT": (
        Bound(
            "a client that has not been let in",
            "`mqtt.max_packet_size`",
            "`max_connections`",
            "`mqtt.connect_timeout`, the application's judgement included",
            "closed",
            (
                MQTT_SLOW + "test_client_that_never_says_connect_is_dropped",
                MQTT_SLOW + "test_connect_dribbled_has_the_same_time",
                MQTT_SLOW + "test_client_judged_for_too_long_is_dropped",
                MQTT + "test_connect_too_large_is_refused",
                "unit/mqtt/test_connection.py::test_connect_that_does_not_come_in_time_ends_the_connection",
            ),
            ("mqtt_connect_timeout",),
        ),
        Bound(
            "a packet",
            "`mqtt.max_packet_size`, judged by its header",
            "one at a time, in `max_parts` and one for each 256 bytes",
            "`mqtt.packet_timeout`",
            "DISCONNECT 0x95; 0x8D",
            (
                MQTT + "test_packet_too_large_is_judged_by_its_header",
                MQTT_FLOODS + "test_declared_and_dribbled_packet_holds_what_came_and_no_more",
                MQTT_SLOW + "test_packet_that_does_not_end_has_its_time_without_keep_alive",
                "unit/mqtt/state/test_costs.py::"
                "test_packet_that_comes_two_bytes_at_a_time_is_not_kept_in_as_many_objects",
            ),
            ("mqtt_max_packet_size", "mqtt_packet_timeout"),
        ),
        Bound(
            "a silent client",
            "none: it sends nothing",
            "`max_connections`",
            "its Keep Alive, at most `mqtt.max_keep_alive`",
            "DISCONNECT 0x8D",
            (
                MQTT_SLOW + "test_client_silent_for_one_and_a_half_keep_alives_is_gone",
                "conformance/mqtt5/test_section_3_2_connack.py::test_server_keep_alive_is_said_and_counts",
                "conformance/mqtt5/test_section_4_1_time.py::test_server_keep_alive_is_told_when_it_differs",
            ),
        ),
        Bound(
            "topics and filters",
            "`mqtt.max_topic_length`, `mqtt.max_topic_levels`",
            "`mqtt.topic_alias_maximum` with a number; `max_told_aliases` that have one of ours",
            "none: they come with their packets",
            "0x90 or 0x8F; DISCONNECT 0x94 for an alias",
            (
                MQTT + "test_topic_beyond_its_limit_is_refused",
                MQTT + "test_topic_alias_beyond_the_maximum_ends_the_connection",
                "unit/mqtt/state/test_sessions.py::test_will_beyond_the_limits_of_topics_is_refused",
                "unit/mqtt/state/test_costs.py::test_aliases_that_a_client_is_told_are_bounded_whatever_it_takes",
            ),
            ("mqtt_max_topic_length", "mqtt_max_topic_levels"),
        ),
        Bound(
            "user properties",
            "`mqtt.max_packet_size`",
            "`mqtt.max_user_properties` in a packet",
            "none: they come with their packets",
            "DISCONNECT or CONNACK 0x97",
            (
                MQTT + "test_user_properties_too_many_end_the_connection",
                MQTT + "test_user_properties_too_many_in_connect_are_refused",
            ),
            ("mqtt_max_user_properties",),
        ),
        Bound(
            "messages under way to us",
            "`mqtt.max_packet_size`",
            "`mqtt.receive_maximum`; a client of MQTT 3.1.1 has 65,535 numbers",
            "none: a number until the session ends",
            "DISCONNECT 0x93",
            (
                MQTT + "test_receive_maximum_exceeded_ends_the_connection",
                MQTT + "test_older_client_knows_no_receive_maximum",
            ),
            ("mqtt_receive_maximum",),
        ),
        Bound(
            "messages that wait for a client",
            "`mqtt.max_packet_size`",
            "`mqtt.max_inflight`, `mqtt.max_queued_messages`, `mqtt.max_queued_bytes`",
            "`mqtt.max_session_expiry`, and the messages' own expiry",
            "one message less, by `mqtt.overflow`",
            (
                MQTT + "test_queue_of_a_client_that_acknowledges_nothing_is_bounded",
                MQTT + "test_queue_of_a_client_that_is_away_is_bounded",
                MQTT_FLOODS + "test_slow_subscriber_of_qos_1_has_a_bounded_queue",
                "unit/mqtt/state/test_sessions.py::test_queue_full_of_expired_messages_takes_what_is_fresh",
                "unit/mqtt/state/test_sessions.py::test_session_outlives_its_connection_no_longer_than_it_may",
                "unit/mqtt/state/test_sessions.py::test_queue_holds_as_many_bytes_as_it_may",
                "unit/mqtt/state/test_sessions.py::test_message_that_expires_while_it_waits_is_not_sent",
            ),
            ("mqtt_max_queued_messages", "mqtt_max_queued_bytes"),
        ),
        Bound(
            "a slow subscriber",
            "`mqtt.max_packet_size`",
            "`mqtt.max_outbound_bytes`",
            "its Keep Alive, at most `mqtt.max_keep_alive`",
            "`mqtt.slow_policy`: QoS 0 messages less, or DISCONNECT 0x97",
            (
                MQTT_FLOODS + "test_slow_subscriber_loses_messages_and_nobody_else_does",
                MQTT_FLOODS + "test_slow_subscriber_is_disconnected_where_that_is_the_policy",
                "unit/mqtt/state/test_sessions.py::test_messages_for_a_client_that_does_not_read_are_kept_up_to_a_size",
                MQTT_SLOW + "test_client_silent_for_one_and_a_half_keep_alives_is_gone",
            ),
            ("mqtt_max_outbound_bytes",),
        ),
        Bound(
            "answers that are not read",
            "none: a few bytes each",
            "`max_unwritten`; then the connection is not read",
            "its Keep Alive, at most `mqtt.max_keep_alive`",
            "TCP's back-pressure",
            (
                MQTT_FLOODS + "test_pings_that_nobody_reads_the_answers_of_are_bounded",
                "unit/mqtt/test_broker_failures.py::test_client_that_asks_and_does_not_read_is_not_read_from",
                MQTT_SLOW + "test_client_silent_for_one_and_a_half_keep_alives_is_gone",
                "unit/mqtt/test_connection.py::test_client_that_reads_no_answers_is_not_read_from",
            ),
        ),
        Bound(
            "sessions",
            "a Client Identifier of 65,535 bytes; what else a session holds has its own rows",
            "`mqtt.max_sessions`",
            "`mqtt.max_session_expiry`",
            "CONNACK 0x97",
            (
                MQTT + "test_session_too_many_is_refused",
                "unit/mqtt/state/test_sessions.py::test_session_outlives_its_connection_no_longer_than_it_may",
            ),
            ("mqtt_max_sessions",),
        ),
        Bound(
            "wills",
            "`mqtt.max_packet_size`",
            "one of each session: `mqtt.max_sessions`",
            "their delay, at most `mqtt.max_session_expiry`",
            "CONNACK 0x90; 0x97 for properties too many",
            (
                "unit/mqtt/state/test_sessions.py::test_will_beyond_the_limits_of_topics_is_refused",
                MQTT + "test_user_properties_too_many_in_connect_are_refused",
                MQTT
                + "test_will_too_large_for_the_packet_size_comes_with_a_connect_that_is_too_large",
                "unit/mqtt/state/test_sessions.py::test_will_is_published_when_its_session_ends_at_the_latest",
            ),
            ("mqtt_max_user_properties", "mqtt_max_topic_length", "mqtt_max_packet_size"),
        ),
        Bound(
            "subscriptions",
            "`mqtt.max_topic_length`",
            "`mqtt.max_subscriptions` of a session",
            "`mqtt.max_session_expiry`",
            "SUBACK 0x97",
            (MQTT + "test_subscription_too_many_is_refused_and_the_others_stay",),
            ("mqtt_max_subscriptions",),
        ),
        Bound(
            "retained messages",
            "`mqtt.max_packet_size`",
            "`mqtt.max_retained`, `mqtt.max_retained_bytes`; a further level counts `level_bytes`",
            "none: until it is replaced, or its own expiry",
            "0x97; it is delivered and not kept",
            (
                MQTT + "test_retained_message_too_many_is_delivered_and_not_kept",
                "unit/mqtt/state/test_costs.py::test_topic_that_is_retained_again_and_again_is_remembered_once",
                "unit/mqtt/state/test_costs.py::test_retained_message_that_expired_makes_room",
                MQTT_FLOODS + "test_retained_messages_asked_for_again_and_again_are_bounded",
                "unit/mqtt/state/test_costs.py::test_levels_of_retained_topics_are_counted",
                "unit/mqtt/state/test_costs.py::test_retained_message_that_expired_is_not_found",
            ),
            ("mqtt_max_retained", "mqtt_max_retained_bytes"),
        ),
        Bound(
            "messages for the application's taps",
            "`mqtt.max_packet_size`",
            "`mqtt.tap_queue_size`, `mqtt.tap_queue_bytes`",
            "none: the taps are the application's",
            "nothing; what is dropped is counted",
            (
                "unit/mqtt/test_tap.py::test_tap_actor_holds_no_more_bytes_than_it_may",
                "unit/mqtt/test_tap.py::test_tap_actor_drops_the_newest_counts_and_logs",
                "unit/mqtt/test_broker_failures.py::test_inline_taps_that_are_slow_have_bounded_queues",
            ),
        ),
        Bound(
            "messages for handlers that follow topics",
            "`mqtt.max_packet_size`",
            "`max_followed` unless the handler says another number, `max_followed_bytes`",
            "none: the handler's",
            "nothing; what is dropped is counted",
            (
                "unit/mqtt/test_client.py::test_subscribe_is_bounded_and_counts_what_it_drops",
                "unit/mqtt/test_client.py::test_subscribe_holds_no_more_bytes_than_it_may",
            ),
        ),
        Bound(
            "calls of the application's hooks",
            "`mqtt.max_topic_length`",
            "`max_happenings`",
            "none: the hooks are the application's",
            "nothing; what is dropped is counted",
            ("unit/mqtt/test_application.py::test_hooks_that_are_too_slow_miss_something",),
        ),
        Bound(
            "what waits for the broker",
            "`mqtt.max_packet_size`",
            "`mqtt.broker_inbox_maxsize`, `mqtt.broker_inbox_max_bytes`; then nothing is read",
            "none: it is the broker that is busy",
            "TCP's back-pressure",
            (
                "unit/mqtt/test_broker_actor.py::test_full_inbox_stops_the_reading_and_loses_nothing",
            ),
        ),
        Bound(
            "what waits for a WebSocket's writer",
            "`mqtt.max_packet_size`",
            "`mqtt.connection_inbox_maxsize`, `mqtt.connection_inbox_max_bytes`",
            "`write_timeout`",
            "as a slow subscriber",
            ("unit/mqtt/test_connection.py::test_client_that_takes_nothing_has_a_bounded_inbox",),
        ),
        Bound(
            "passwords to check",
            "`mqtt.max_packet_size`; of SCRAM `max_scram_message`",
            "`max_waiting_checks`, in `max_check_threads`",
            "`mqtt.connect_timeout`",
            "CONNACK 0x89",
            (
                "unit/mqtt/auth/test_password_file.py::test_checks_that_wait_are_bounded",
                "unit/mqtt/auth/test_password_file.py::test_checks_are_done_off_the_loop_a_few_at_a_time",
                "unit/mqtt/auth/test_password_file.py::test_remembered_passwords_are_bounded",
                "unit/mqtt/auth/test_scram.py::test_scram_first_message_that_cannot_be_ends_it",
                MQTT_SLOW + "test_client_judged_for_too_long_is_dropped",
                "unit/mqtt/auth/test_scram.py::test_scram_message_is_as_long_as_it_may_be",
            ),
        ),
        Bound(
            "memories of topics and verdicts",
            "`max_remembered_topic`",
            "`max_routes`, `max_matches`, `max_verdicts`",
            "none: a memory that is full is emptied",
            "nothing",
            (
                MQTT_FLOODS + "test_topics_without_end_are_not_remembered",
                "unit/mqtt/state/test_subscriptions.py::test_match_many_topics_remembers_a_bounded_number",
                "unit/mqtt/test_tap.py::test_tap_table_remembers_no_more_than_it_should",
                "unit/mqtt/state/test_costs.py::test_verdicts_about_topics_without_end_are_forgotten",
            ),
        ),
    ),
    "Raw protocols": (
        Bound(
            "what a handler has not read",
            "`readuntil(limit=)`, 64 KiB by default",
            "`raw_buffer`; then the connection is not read",
            "none: the protocol's own, with `asyncio.timeout()`",
            "what the handler says",
            (
                "unit/transport/test_reader.py::test_readuntil_limit_counts_the_separator",
                "unit/transport/test_reader.py::"
                "test_reader_nobody_reads_pauses_the_peer_and_resumes_it",
                "unit/transport/test_prefix.py::test_prefix_readuntil_too_long_raises",
                "unit/transport/test_reader.py::test_reader_one_large_chunk_pauses_and_reading_it_resumes",
                "unit/transport/test_reader.py::test_readuntil_takes_64_kib_unless_told_otherwise",
            ),
            ("readuntil",),
        ),
        Bound(
            "what the peer does not read",
            "none: what the handler writes at a time",
            "the writer waits from 64 KiB on",
            "`write_timeout` for each `least_taken`",
            "the connection is reset",
            (
                "unit/transport/test_writer.py::test_write_peer_takes_nothing_times_out_and_resets",
                "unit/transport/test_writer.py::test_write_paused_waits_until_resumed",
                "unit/transport/test_writer.py::test_write_slow_peer_that_takes_some_is_given_more_time",
            ),
        ),
    ),
    "Applications": (
        Bound(
            "JSON",
            "`max_body_size`",
            "`json_room` less deep than the interpreter recurses, about 1000 or more",
            "as any content: `body_timeout`",
            "400",
            (
                "unit/routing/handler/test_body.py::test_body_nested_deeper_than_we_follow_is_a_400",
                "unit/test_json.py::test_decode_of_what_is_no_json_raises",
                "fault/test_deep_json.py::test_nested_json_is_answered_or_the_client_s_error",
            ),
        ),
        Bound(
            "forms",
            "`max_body_size`",
            "`max_form_fields`",
            "as any content: `body_timeout`",
            "400",
            ("unit/test_connection.py::test_form_with_too_many_fields_is_400",),
        ),
        Bound(
            "paths that are looked up",
            "`max_remembered_path`; a longer one is not remembered",
            "`cache_max` of `BlackBull()`, 2048 by default",
            "none: the least used is forgotten",
            "404",
            (
                "unit/routing/test_router.py::test_find_remembers_no_more_than_it_may",
                "unit/routing/test_router.py::test_find_remembers_no_path_that_is_long",
                "unit/routing/test_router.py::test_find_remembers_2048_paths_unless_told_otherwise",
            ),
        ),
        Bound(
            "handlers in threads",
            "none: the application's",
            "Python's own executor; what waits is bounded by `h2_active_streams` and "
            "`max_connections`",
            "`request_timeout`, off unless it is set; a thread ends when it ends",
            "408; `RST_STREAM` with `CANCEL`",
            (
                ROUTES + "test_route_bounds_the_request_in_http11",
                "unit/server/bindings/test_http2_requests.py::test_handlers_beyond_the_limit_wait_for_their_turn",
            ),
            ("request_timeout",),
        ),
        Bound(
            "observers of events",
            "none: the application's",
            "`max_pending` of the dispatcher, 10000 by default",
            "none: the application's",
            "nothing; what is dropped is recorded",
            (
                "unit/test_event.py::test_emit_more_observers_than_max_pending_drops_and_records",
                "unit/test_event.py::"
                "test_emit_soon_longer_queue_than_max_pending_drops_and_records",
            ),
            ("max_pending_observers",),
        ),
        Bound(
            "memories of requests, for log and metrics",
            "`max_known_request`; in metrics `max_counted_path`",
            "`max_known_requests`; `max_counted`",
            "none: a memory that is full is emptied",
            "nothing",
            (
                "unit/log/test_formatters.py::"
                "test_plain_formatter_remembers_short_requests_up_to_a_number",
                "unit/metrics/test_metrics.py::test_what_is_remembered_of_paths_is_bounded",
            ),
        ),
        Bound(
            "series of metrics",
            "none: labels are our words, routes and methods of the standards",
            "none: a path is no label, and what a client makes up is one method",
            "none: as long as the process",
            "nothing",
            ("unit/metrics/test_metrics.py::test_clients_cannot_make_series",),
        ),
        Bound(
            "content where another server hosts us",
            "none: the host decides on parts",
            "`max_body_size`",
            "none: the host's own timeouts",
            "413",
            (
                "unit/asgi/test_guest.py::test_content_beyond_what_route_or_settings_allow_is_413",
                "hosting/test_hosting.py::test_content_on_every_server_is_bounded_by_its_route",
            ),
            ("max_body_size",),
        ),
    ),
}
"""The rows, by the part of the server that they are about."""
