/* MQTT load, from one thread.
 *
 *   mqtt messages PORT NAME=VALUE...     publishers, subscribers, and what goes between them
 *   mqtt retained PORT NAME=VALUE...     retained messages, asked for again and again
 *   mqtt connects PORT NAME=VALUE...     CONNECT, CONNACK, DISCONNECT, the next
 *   mqtt idle     PORT NAME=VALUE...     connections that are held
 *
 *   level=5          of the protocol, 5 or 4
 *   seconds=2        of load
 *   clients=64       connections: at once (connects), held (idle)
 *   publishers=1     subscribers=1
 *   topics=1         of each publisher, taken in turn
 *   filters=1        of each subscriber
 *   topic=t          filter=t       where %c is the number of the client and %n that of the topic
 *                    or filter, counted over all clients
 *   receivers=1      deliveries that each message should have
 *   qos=0            of messages and subscriptions
 *   size=64          bytes of each payload
 *   spread=0         bytes more that the payload of a topic may have, each another number
 *   window=1         messages of each publisher that are not delivered yet, at most
 *   in_flight=20     messages of each publisher that are not acknowledged yet, at most (QoS 1, 2)
 *   rate=0           messages per second that are due, over all publishers, whatever comes back;
 *                    0: the next one as soon as the window lets it
 *
 * Every message carries the time it was due, its publisher and its number: what is lost, doubled or
 * out of order ends the program. With `rate` what is not delivered in time is counted as errors.
 *
 * "ready" is printed once all connections are open and have been used and again, as one JSON object,
 * the result; after each a line of stdin is awaited, so that nothing goes on while the caller takes its
 * own readings. Deliveries are counted from the first message to the last delivery, nothing between.
 *
 * Loopback only, and bounded: 16,384 connections, 60 seconds. Anything a broker should not do, and
 * some seconds of silence, end the program with status 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 16384, MAX_SECONDS = 60, MAX_TOPICS = 200000, MAX_SIZE = 1 << 16, MAX_ROUTES = 8 << 20,
    SOURCES = 64, BATCH = 512, ROOM = 1 << 18, BUCKETS = 400000, STAMP = 16, PER_SUBSCRIBE = 100,
    MAX_IDS = 1024, LATE = 1 << 20
};
enum {
    CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK,
    PINGREQ = 12, PINGRESP = 13, DISCONNECT = 14
};
enum { FREE, PUBLISHED, RELEASED };

#define SILENCE 5.0
#define WARM_UP 0.3
#define GRACE 1.0

typedef unsigned char byte;

struct connection {
    int fd, wants_write, stage;
    unsigned number;
    byte *out, *in;                  /* not yet written; the beginning of a packet */
    size_t out_size, out_sent, out_room, in_size, in_room;
    double since;                    /* when it was dialled */
    /* a publisher */
    uint32_t sent;
    uint64_t delivered;
    unsigned free_ids, all_ids, touched;
    uint16_t ids[MAX_IDS];
    byte state[MAX_IDS + 1];
    /* a subscriber: the number of the last message of each publisher */
    uint32_t *last;
};

struct packet { byte *bytes; size_t size, id_at, payload; };   /* a PUBLISH, less its payload */

static int level = 5, clients = 64, publishers = 1, subscribers = 1, topics = 1, filters = 1, receivers = 1,
           qos, size = 64, spread, window = 1, in_flight = 20, rate;
static double seconds = 2;
static const char *topic = "t", *filter = "t";

static struct sockaddr_in server;
static int poller;
static struct connection *pubs, *subs;
static struct packet *heads;
static byte payload[2 * MAX_SIZE], buffer[2 * ROOM];
static unsigned histogram[BUCKETS];
static uint64_t timed, published, delivered, acknowledged, dropped;
static double last_arrival, arrival, due_from;
static uint64_t scheduled;
static unsigned touched_count, *touched;
static int retaining;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(1);
}

static void *room(void *old, size_t bytes) {
    void *got = realloc(old, bytes ? bytes : 1);
    if (got == NULL) fail("no memory");
    return got;
}

static void *zeroed(size_t bytes) { return memset(room(NULL, bytes), 0, bytes); }

/* ---- what is sent ---- */

static byte *put_size(byte *at, size_t value) {
    do *at++ = (value & 0x7f) | (value > 0x7f ? 0x80 : 0); while (value >>= 7);
    return at;
}

static byte *put_text(byte *at, const char *text) {
    size_t length = strlen(text);
    *at++ = length >> 8;
    *at++ = length;
    return (byte *)memcpy(at, text, length) + length;
}

/* The name that a template gives to the numberth topic or filter of a client. */
static const char *name(const char *template, unsigned client, unsigned number) {
    static char text[256];
    size_t used = 0;
    for (const char *c = template; *c && used < sizeof text - 16; c++) {
        if (*c != '%') text[used++] = *c;
        else used += sprintf(text + used, "%u", *++c == 'c' ? client : number);
    }
    text[used] = 0;
    return text;
}

static void append(struct connection *c, const byte *bytes, size_t count) {
    if (c->out_sent == c->out_size) c->out_sent = c->out_size = 0;
    if (c->out_size + count > c->out_room)
        c->out = room(c->out, c->out_room = 2 * (c->out_size + count));
    memcpy(c->out + c->out_size, bytes, count);
    c->out_size += count;
}

static void append_packet(struct connection *c, int first, const byte *body, size_t count) {
    byte head[5];
    head[0] = first;
    append(c, head, put_size(head + 1, count) - head);
    append(c, body, count);
}

static void append_connect(struct connection *c, char kind) {
    byte body[128], *at = put_text(body, "MQTT");
    char id[64];
    *at++ = level;
    *at++ = 2; /* clean */
    *at++ = 0;
    *at++ = 0;
    if (level == 5) *at++ = 0;
    sprintf(id, "load-%d-%c%u", getpid(), kind, c->number);
    at = put_text(at, id);
    append_packet(c, CONNECT << 4, body, at - body);
}

static void append_subscribe(struct connection *c, unsigned from) {
    static byte body[PER_SUBSCRIBE * 260];
    byte *at = body;
    *at++ = 0;
    *at++ = 1;
    if (level == 5) *at++ = 0;
    for (unsigned i = from; i < (unsigned)filters && i < from + PER_SUBSCRIBE; i++) {
        at = put_text(at, name(filter, c->number, c->number * filters + i));
        *at++ = qos;
    }
    append_packet(c, SUBSCRIBE << 4 | 2, body, at - body);
}

static struct packet make_head(int flags, const char *text, size_t bytes) {
    byte head[300], *at = head;
    struct packet p;
    *at++ = PUBLISH << 4 | qos << 1 | flags;
    at = put_size(at, 2 + strlen(text) + 2 * (qos > 0) + (level == 5) + bytes);
    at = put_text(at, text);
    p.id_at = at - head;
    if (qos > 0) at += 2;
    if (level == 5) *at++ = 0;
    p.size = at - head;
    p.payload = bytes;
    p.bytes = memcpy(room(NULL, p.size), head, p.size);
    return p;
}

static void watch(struct connection *c, int wants_write) {
    if (c->wants_write == wants_write) return;
    struct epoll_event want = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = c};
    c->wants_write = wants_write;
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &want);
}

static void flush(struct connection *c) {
    while (c->out_sent < c->out_size) {
        ssize_t out = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
        if (out < 0 && errno == EAGAIN) break;
        if (out < 0) fail("send: %s", strerror(errno));
        c->out_sent += out;
    }
    watch(c, c->out_sent < c->out_size);
}

/* ---- connections ---- */

static void dial(struct connection *c, int flags) {
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    /* Several source addresses: ports in TIME_WAIT do not run out. */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + c->number % SOURCES);
    struct timeval patience = {.tv_sec = 30};
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
    c->since = now();
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    c->out_size = c->out_sent = c->in_size = c->wants_write = 0;
}

/* Wait for one packet, of the kind expected; return its body. */
static byte *await(struct connection *c, int kind, size_t *length) {
    static byte body[4096];
    size_t value = 0;
    byte b;
    if (recv(c->fd, &b, 1, 0) != 1) fail("no answer where packet %d was expected", kind);
    if (b >> 4 != kind) fail("packet %d where %d was expected", b >> 4, kind);
    for (int shift = 0;; shift += 7) {
        if (recv(c->fd, &b, 1, 0) != 1) fail("a packet without an end");
        value |= (size_t)(b & 0x7f) << shift;
        if (b < 0x80) break;
    }
    if (value > sizeof body) fail("packet %d has %zu bytes", kind, value);
    if (value && recv(c->fd, body, value, MSG_WAITALL) != (ssize_t)value) fail("a packet without an end");
    *length = value;
    return body;
}

/* The Receive Maximum of a CONNACK. */
static unsigned receive_maximum(const byte *body, size_t length) {
    unsigned found = 65535;
    for (size_t i = 3; level == 5 && i < length;) {
        byte id = body[i++];
        if (id == 0x21) found = body[i] << 8 | body[i + 1];
        if (id == 0x21 || id == 0x22 || id == 0x13) i += 2;
        else if (id == 0x11 || id == 0x27) i += 4;
        else if (id == 0x24 || id == 0x25 || (id >= 0x28 && id <= 0x2a)) i += 1;
        else if (id == 0x26) {
            i += 2 + (body[i] << 8 | body[i + 1]);
            i += 2 + (body[i] << 8 | body[i + 1]);
        } else i += 2 + (body[i] << 8 | body[i + 1]);
    }
    return found;
}

static void introduce(struct connection *c, char kind) {
    size_t length;
    dial(c, 0);
    append_connect(c, kind);
    flush(c);
    byte *body = await(c, CONNACK, &length);
    if (length < 2 || body[1] != 0) fail("CONNECT is refused with %d", length < 2 ? -1 : body[1]);
    unsigned most = receive_maximum(body, length);
    c->all_ids = most < (unsigned)in_flight ? most : (unsigned)in_flight;
    while (c->free_ids < c->all_ids) {
        c->ids[c->free_ids] = c->all_ids - c->free_ids;
        c->free_ids++;
    }
}

static void subscribe(struct connection *c) {
    size_t length;
    for (unsigned from = 0; from < (unsigned)filters; from += PER_SUBSCRIBE) {
        append_subscribe(c, from);
        flush(c);
        byte *body = await(c, SUBACK, &length);
        for (size_t i = level == 5 ? 3 : 2; i < length; i++)
            if (body[i] != qos) fail("SUBSCRIBE is answered with %d", body[i]);
    }
}

static void attend(struct connection *c) {
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &want) < 0) fail("epoll_ctl");
}

/* ---- receiving ---- */

static void touch(struct connection *c) {
    if (c->touched) return;
    c->touched = 1;
    touched[touched_count++] = c->number;
}

static void record(double since) {
    long bucket = (arrival - since) * 200000;
    histogram[bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    timed++;
}

static void on_publish(struct connection *c, int flags, const byte *body, size_t length) {
    int got = flags >> 1 & 3;
    size_t at = 2 + (body[0] << 8 | body[1]);
    const byte *id = body + at;
    if (got != qos) fail("a message has QoS %d", got);
    if (got > 0) at += 2;
    if (level == 5) {
        size_t skip = 0;
        for (int shift = 0; at < length; shift += 7) {
            skip |= (size_t)(body[at] & 0x7f) << shift;
            if (body[at++] < 0x80) break;
        }
        at += skip;
    }
    if (at + size > length || at + size + spread < length)
        fail("a payload has %zd bytes", (ssize_t)(length - at));
    if (retaining) {
        if (!(flags & 1)) fail("a message that is not retained");
        delivered++;
        return;
    }
    double since;
    uint32_t who, which;
    memcpy(&since, body + at, 8);
    memcpy(&who, body + at + 8, 4);
    memcpy(&which, body + at + 12, 4);
    if (who >= (uint32_t)publishers || which > pubs[who].sent) fail("a message that nobody sent");
    if (which <= c->last[who])
        fail("message %u of %u after message %u", which, who, c->last[who]);
    c->last[who] = which;
    record(since);
    delivered++;
    pubs[who].delivered++;
    touch(pubs + who);
    if (got > 0) {
        byte answer[] = {(got == 1 ? PUBACK : PUBREC) << 4, 2, id[0], id[1]};
        append(c, answer, 4);
    }
}

static void on_answer(struct connection *c, int kind, const byte *body, size_t length) {
    unsigned id = length < 2 ? 0 : body[0] << 8 | body[1];
    if (length > 2 && body[2] >= 0x80) fail("packet %d with reason %d", kind, body[2]);
    if (id < 1 || id > c->all_ids || c->state[id] != (kind == PUBCOMP ? RELEASED : PUBLISHED))
        fail("packet %d with identifier %u", kind, id);
    if (kind == PUBREC) {
        byte answer[] = {PUBREL << 4 | 2, 2, body[0], body[1]};
        c->state[id] = RELEASED;
        append(c, answer, 4);
        return;
    }
    c->state[id] = FREE;
    c->ids[c->free_ids++] = id;
    acknowledged++;
    touch(c);
}

static void on_packet(struct connection *c, int first, const byte *body, size_t length) {
    int kind = first >> 4;
    if (kind == PUBLISH) on_publish(c, first & 15, body, length);
    else if (kind == PUBACK || kind == PUBREC || kind == PUBCOMP) on_answer(c, kind, body, length);
    else if (kind == PUBREL) {
        byte answer[] = {PUBCOMP << 4, 2, body[0], body[1]};
        append(c, answer, 4);
    } else if (kind == DISCONNECT) fail("DISCONNECT with reason %d", length ? body[0] : 0);
    else if (kind != SUBACK) fail("packet %d", kind);
}

static void take(struct connection *c) {
    if (c->in_size > ROOM) fail("a packet of more than %d bytes", ROOM);
    memcpy(buffer, c->in, c->in_size);
    ssize_t got = recv(c->fd, buffer + c->in_size, ROOM, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("a connection was lost");
    arrival = last_arrival = now();
    size_t end = c->in_size + got, at = 0;
    while (end - at >= 2) {
        size_t length = 0, body = at + 1;
        int shift = 0;
        while (body < end && buffer[body] >= 0x80 && shift < 21) {
            length |= (size_t)(buffer[body++] & 0x7f) << shift;
            shift += 7;
        }
        if (body == end) break;
        length |= (size_t)buffer[body++] << shift;
        if (length > end - body) break;
        on_packet(c, buffer[at], buffer + body, length);
        at = body + length;
    }
    c->in_size = end - at;
    if (c->in_size > c->in_room) c->in = room(c->in, c->in_room = 2 * c->in_size);
    memcpy(c->in, buffer + at, c->in_size);
    if (c->out_sent < c->out_size) flush(c);
}

static void turn(double until) {
    struct epoll_event events[BATCH];
    double wait = until - now();
    if (wait > SILENCE) wait = SILENCE;
    if (wait < 0) wait = 0;
    struct timespec precise = {(time_t)wait, (long)((wait - (time_t)wait) * 1e9)};
    /* Only a schedule needs more than milliseconds; epoll_wait() can be made to poll, see spin.c. */
    int count = rate ? epoll_pwait2(poller, events, BATCH, &precise, NULL)
                     : epoll_wait(poller, events, BATCH, (int)(wait * 1000) + 1);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (events[i].events & ~EPOLLOUT) take(c);
        if (events[i].events & EPOLLOUT) {
            flush(c);
            if (c >= pubs && c < pubs + publishers) touch(c);
        }
    }
}

/* ---- publishing ---- */

static void append_message(struct connection *c, double due) {
    struct packet *p = heads + (size_t)c->number * topics + c->sent % topics;
    uint32_t which = ++c->sent;
    append(c, p->bytes, p->size);
    if (qos > 0) {
        unsigned id = c->ids[--c->free_ids];
        c->state[id] = PUBLISHED;
        c->out[c->out_size - p->size + p->id_at] = id >> 8;
        c->out[c->out_size - p->size + p->id_at + 1] = id;
    }
    append(c, payload, p->payload);
    byte *at = c->out + c->out_size - p->payload;
    memcpy(at, &due, 8);
    memcpy(at + 8, &c->number, 4);
    memcpy(at + 12, &which, 4);
    published++;
}

/* Send what the window lets. */
static void publish_more(struct connection *c) {
    for (;;) {
        if (c->out_sent < c->out_size) return;
        long missing = (long)c->sent * receivers - (long)c->delivered;
        long count = window - (missing + receivers - 1) / receivers;
        if (qos > 0 && count > (long)c->free_ids) count = c->free_ids;
        if (count > ROOM / (size + 64) + 1) count = ROOM / (size + 64) + 1;
        if (count <= 0) return;
        double t = now();
        while (count-- > 0) append_message(c, t);
        flush(c);
    }
}

/* Send what is due; return when the next one is. */
static double publish_due(double t) {
    while (due_from + (double)scheduled / rate <= t) {
        struct connection *c = pubs + scheduled % publishers;
        double due = due_from + (double)scheduled++ / rate;
        if (c->out_size - c->out_sent > LATE || (qos > 0 && c->free_ids == 0)) {
            dropped++;
            continue;
        }
        append_message(c, due);
        flush(c);
    }
    return due_from + (double)scheduled / rate;
}

static int outstanding(void) {
    return delivered < published * receivers || (qos > 0 && acknowledged < published);
}

/* Publish for some seconds, and let everything arrive; return when it had. */
static double publish_for(double length) {
    double stop = now() + length, until = stop;
    due_from = last_arrival = now();
    scheduled = 0;
    for (int i = 0; i < publishers; i++) touch(pubs + i);
    for (;;) {
        double t = now();
        int over = t >= stop;
        if (over && (!outstanding() || (rate && t > stop + GRACE))) return last_arrival;
        until = over ? t + 0.01 : rate ? publish_due(t) : stop;
        if (until > stop && !over) until = stop;
        for (unsigned i = 0; i < touched_count; i++) {
            struct connection *c = pubs + touched[i];
            c->touched = 0;
            if (!over && !rate) publish_more(c);
        }
        touched_count = 0;
        if (t - last_arrival > SILENCE)
            fail("%.0f seconds of silence, %ld deliveries are missing", SILENCE,
                 (long)(published * receivers - delivered));
        turn(until);
    }
}

/* ---- telling ---- */

static void await_line(void) {
    char c;
    fflush(stdout);
    while (read(0, &c, 1) > 0 && c != '\n') {
    }
    last_arrival = now();
}

static void ready(void) {
    puts("ready");
    await_line();
}

static double percentile(double share) {
    uint64_t seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > timed * share) return (i + 0.5) / 200;
    return 0;
}

static void forget(void) {
    timed = 0;
    memset(histogram, 0, sizeof histogram);
}

static void tell(uint64_t count, double took, uint64_t errors, double used) {
    printf("{\"requests\": %lu, \"seconds\": %.6f, \"errors\": %lu, \"cpu\": %.6f, ", count, took, errors, used);
    printf("\"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", percentile(.5), percentile(.99));
    await_line();
}

/* ---- the kinds of load ---- */

static int run_messages(void) {
    if ((uint64_t)publishers * subscribers > MAX_ROUTES || publishers * topics > MAX_TOPICS) return 2;
    pubs = zeroed(publishers * sizeof *pubs);
    subs = zeroed(subscribers * sizeof *subs);
    heads = room(NULL, (size_t)publishers * topics * sizeof *heads);
    touched = room(NULL, publishers * sizeof *touched);
    for (int i = 0; i < publishers * topics; i++)
        heads[i] = make_head(0, name(topic, i / topics, i), size + i * 37 % (spread + 1));
    for (int i = 0; i < subscribers; i++) {
        subs[i].number = i;
        subs[i].last = zeroed(publishers * sizeof *subs[i].last);
        introduce(subs + i, 's');
        subscribe(subs + i);
    }
    for (int i = 0; i < publishers; i++) {
        pubs[i].number = i;
        introduce(pubs + i, 'p');
    }
    for (int i = 0; i < subscribers; i++) attend(subs + i);
    for (int i = 0; i < publishers; i++) attend(pubs + i);
    publish_for(WARM_UP);
    ready();
    forget();
    uint64_t before = delivered, sent = published;
    dropped = 0;
    double used = cpu(), start = now(), end = publish_for(seconds);
    if (rate && end < start + seconds) end = start + seconds;
    int64_t lost = (published - sent + dropped) * receivers - (delivered - before);
    tell(delivered - before, end - start, lost > 0 ? lost : 0, cpu() - used);
    return 0;
}

/* Publish to all topics, or clear them, and wait until that is done. */
static void retain(struct connection *c, size_t bytes) {
    size_t length;
    for (int i = 0; i < topics; i++) {
        struct packet p = make_head(1, name(topic, 0, i), bytes);
        append(c, p.bytes, p.size);
        append(c, payload, bytes);
        free(p.bytes);
        if (c->out_size > ROOM || i + 1 == topics) flush(c);
    }
    append_packet(c, PINGREQ << 4, NULL, 0);
    flush(c);
    await(c, PINGRESP, &length);
}

static void take_retained(struct connection *c, uint64_t wanted) {
    append_subscribe(c, 0);
    flush(c);
    while (delivered < wanted) {
        turn(now() + SILENCE);
        if (now() - last_arrival > SILENCE) fail("%.0f seconds of silence", SILENCE);
    }
}

static int run_retained(void) {
    if (topics > MAX_TOPICS) return 2;
    publishers = 1;
    qos = 0;
    pubs = zeroed(sizeof *pubs);
    subs = zeroed(sizeof *subs);
    touched = room(NULL, sizeof *touched);
    introduce(pubs, 'p');
    introduce(subs, 's');
    retaining = 1;
    retain(pubs, size);
    attend(subs);
    ready();
    forget();
    double used = cpu(), start = now();
    do take_retained(subs, delivered + topics); while (now() < start + seconds);
    tell(delivered, last_arrival - start, 0, cpu() - used);
    retain(pubs, 0);
    return 0;
}

enum { DIALLED, INTRODUCED, LEAVING };

static void next_connect(struct connection *c, unsigned number) {
    struct linger abort = {1, 0}; /* ports in TIME_WAIT do not run out */
    if (c->fd > 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close(c->fd);
    }
    c->number = number;
    dial(c, SOCK_NONBLOCK);
    c->stage = DIALLED;
    struct epoll_event want = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &want) < 0) fail("epoll_ctl");
    c->wants_write = 1;
}

/* Go on with one; return whether it is through. */
static int step(struct connection *c, int events) {
    static const byte leave[] = {DISCONNECT << 4, 0};
    byte got[512];
    if (c->stage == DIALLED && events & EPOLLOUT) {
        append_connect(c, 'c');
        flush(c);
        c->stage = INTRODUCED;
        return 0;
    }
    if (!(events & ~EPOLLOUT)) return 0;
    ssize_t count = recv(c->fd, got, sizeof got, 0);
    if (count < 0 && errno == EAGAIN) return 0;
    if (c->stage == LEAVING && count <= 0) return 1;
    if (c->stage != INTRODUCED || count < 4 || got[0] != CONNACK << 4 || got[3] != 0)
        fail("a connection fails at stage %d: %zd bytes", c->stage, count);
    arrival = last_arrival = now();
    record(c->since);
    c->stage = LEAVING;
    if (send(c->fd, leave, 2, MSG_NOSIGNAL) != 2) fail("send: %s", strerror(errno));
    return 0;
}

static uint64_t connect_for(double length) {
    static unsigned number = 1 << 14;
    double stop = now() + length;
    uint64_t done = 0;
    while (now() < stop) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(poller, events, BATCH, 100);
        for (int i = 0; i < count; i++) {
            if (!step(events[i].data.ptr, events[i].events)) continue;
            done++;
            next_connect(events[i].data.ptr, number++);
        }
        if (now() - last_arrival > SILENCE) fail("%.0f seconds of silence", SILENCE);
    }
    return done;
}

static int run_connects(void) {
    struct connection *all = zeroed(clients * sizeof *all);
    last_arrival = now();
    for (int i = 0; i < clients; i++) next_connect(all + i, i);
    connect_for(WARM_UP);
    ready();
    forget();
    double used = cpu(), start = now();
    uint64_t done = connect_for(seconds);
    tell(done, now() - start, 0, cpu() - used);
    return 0;
}

static int run_idle(void) {
    struct connection *all = zeroed(clients * sizeof *all);
    int alive = 0;
    for (int i = 0; i < clients; i++) {
        all[i].number = i;
        introduce(all + i, 'i');
        if (filters) subscribe(all + i);
        free(all[i].out);
    }
    ready();
    for (int i = 0; i < clients; i++) {
        byte b;
        alive += recv(all[i].fd, &b, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }
    printf("{\"alive\": %d}\n", alive);
    return 0;
}

static int understand(char *argument) {
    const struct { const char *name; int *value, least, most; } numbers[] = {
        {"level", &level, 4, 5}, {"clients", &clients, 1, MAX_CONNECTIONS},
        {"publishers", &publishers, 1, MAX_CONNECTIONS}, {"subscribers", &subscribers, 1, MAX_CONNECTIONS},
        {"topics", &topics, 1, MAX_TOPICS}, {"filters", &filters, 0, MAX_TOPICS},
        {"receivers", &receivers, 1, MAX_CONNECTIONS}, {"qos", &qos, 0, 2}, {"size", &size, STAMP, MAX_SIZE}, {"spread", &spread, 0, MAX_SIZE},
        {"window", &window, 1, 1 << 20}, {"in_flight", &in_flight, 1, MAX_IDS}, {"rate", &rate, 0, 1 << 20},
    };
    char *value = strchr(argument, '=');
    if (value == NULL) return 0;
    *value++ = 0;
    if (strcmp(argument, "topic") == 0) return (topic = value) != NULL;
    if (strcmp(argument, "filter") == 0) return (filter = value) != NULL;
    if (strcmp(argument, "seconds") == 0) return (seconds = atof(value)) > 0 && seconds <= MAX_SECONDS;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(argument, numbers[i].name) == 0) {
            *numbers[i].value = atoi(value);
            return *numbers[i].value >= numbers[i].least && *numbers[i].value <= numbers[i].most;
        }
    return 0;
}

int main(int argc, char **argv) {
    int good = argc >= 3;
    for (int i = 3; i < argc; i++) good = good && understand(argv[i]);
    if (good) {
        server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        poller = epoll_create1(EPOLL_CLOEXEC);
        prctl(PR_SET_TIMERSLACK, 1);
        memset(payload, 'x', sizeof payload);
        if (strcmp(argv[1], "messages") == 0) return run_messages();
        if (strcmp(argv[1], "retained") == 0) return run_retained();
        if (strcmp(argv[1], "connects") == 0) return run_connects();
        if (strcmp(argv[1], "idle") == 0) return run_idle();
    }
    fputs("usage: see the beginning of mqtt.c\n", stderr);
    return 2;
}
