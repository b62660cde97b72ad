/* WebSocket load, from one thread.
 *
 *   websocket [-z] MESSAGES echo   PORT PATH CONNECTIONS IN_FLIGHT SECONDS
 *       Keeps IN_FLIGHT messages on their way on every connection. Every echo is compared.
 *
 *   websocket [-z] MESSAGES fanout PORT MEMBERS_PATH PUBLISH_PATH MEMBERS IN_FLIGHT SECONDS
 *       MEMBERS connections to MEMBERS_PATH are each greeted with one message. Then one more, to
 *       PUBLISH_PATH, keeps IN_FLIGHT messages on their way, each until every member has it.
 *       Deliveries are counted.
 *
 *   websocket [-z] MESSAGES idle   PORT PATH CONNECTIONS
 *       Opens CONNECTIONS, makes one exchange on each and holds them.
 *
 * -z offers permessage-deflate as a browser does and sends the compressed form of the messages;
 * a server that declines ends the program with status 3.
 *
 * MESSAGES is a file of records: two sizes, four bytes each, the most significant first, then that
 * many bytes of text and that many of what is sent for it. Masks are random and prepared.
 *
 * "ready" is printed once all connections are open and again, as one JSON object, the result;
 * after each a line of stdin is awaited, so that nothing goes on while the caller takes its own
 * readings. At the end the connections are closed in order, and idle prints how many were still open.
 *
 * Loopback only, and bounded: 4,096 connections, 64 in flight, 60 seconds. Anything a server
 * should not do, and two seconds of silence, end the program with status 1.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 4096, MAX_IN_FLIGHT = 64, MAX_SECONDS = 60, MAX_MESSAGES = 4096,
    MAX_SIZE = 1 << 20, SOURCES = 64, BATCH = 128, ROOM = 1 << 18, BUCKETS = 100000
};
enum { CONTINUATION = 0, TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define SILENCE 2.0

struct message {
    unsigned char *text, *frame;
    size_t text_size, frame_size;
};

struct connection {
    int fd, wants_write, greeted;
    unsigned to_send, next_sent;      /* messages due, the first perhaps in part; its number */
    size_t sent;                      /* bytes of it that are out */
    unsigned in_flight, next_echo;    /* messages not yet back; the number of the first of them */
    double since[MAX_IN_FLIGHT];      /* when they were due */
    unsigned char head[10], control[125], pong[131];
    unsigned head_size, pong_size, pong_sent;
    int opcode, final, compressed;    /* of the frame that arrives; the last: of its message */
    uint64_t left;                    /* bytes of its payload to come */
    size_t seen;                      /* payload so far: of the message, or of the control frame */
};

static struct sockaddr_in server;
static struct message messages[MAX_MESSAGES];
static unsigned message_count;
static int offer, poller, closing;
static void (*on_message)(struct connection *);
static void (*send_more)(struct connection *);
static unsigned depth;
static unsigned long finished, compressed, histogram[BUCKETS], timed;
static double last_arrival, arrival;

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

/* ---- messages ---- */

static size_t read_size(FILE *file) {
    unsigned char b[4];
    if (fread(b, 1, 4, file) != 4) return 0;
    return (size_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

static void load_messages(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("%s: %s", path, strerror(errno));
    srandom(6455);
    for (size_t size; (size = read_size(file)) > 0; message_count++) {
        size_t wire = read_size(file);
        if (message_count == MAX_MESSAGES || size > MAX_SIZE || wire > MAX_SIZE || wire == 0)
            fail("%s: out of bounds", path);
        struct message *m = &messages[message_count];
        unsigned head = wire < 126 ? 2 : wire < 65536 ? 4 : 10;
        m->text_size = size;
        m->frame_size = head + 4 + wire;
        m->text = malloc(size);
        m->frame = malloc(m->frame_size);
        if (m->text == NULL || m->frame == NULL) fail("no memory");
        unsigned char *payload = m->frame + head + 4;
        if (fread(m->text, 1, size, file) != size || fread(payload, 1, wire, file) != wire)
            fail("%s: truncated", path);
        m->frame[0] = 0x80 | (offer ? 0x40 : 0) | TEXT;
        m->frame[1] = 0x80 | (head == 2 ? wire : head == 4 ? 126 : 127);
        for (unsigned i = 2; i < head; i++) m->frame[i] = (uint64_t)wire >> 8 * (head - 1 - i);
        for (unsigned i = 0; i < 4; i++) m->frame[head + i] = random() >> 8;
        for (size_t i = 0; i < wire; i++) payload[i] ^= m->frame[head + i % 4];
    }
    fclose(file);
    if (message_count == 0) fail("%s: no messages", path);
}

/* ---- sending ---- */

static void watch(struct connection *c, int wants_write) {
    if (c->wants_write == wants_write) return;
    struct epoll_event want = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = c};
    c->wants_write = wants_write;
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &want);
}

/* Send what is due: a pong between frames, then messages. */
static void flush(struct connection *c) {
    while (c->to_send > 0 || c->pong_size > 0) {
        struct iovec parts[MAX_IN_FLIGHT + 1];
        struct msghdr all = {.msg_iov = parts};
        int pong = c->pong_size > 0 && c->sent == 0;
        if (pong) parts[all.msg_iovlen++] =
            (struct iovec){c->pong + c->pong_sent, c->pong_size - c->pong_sent};
        for (unsigned i = 0; i < c->to_send; i++) {
            struct message *m = &messages[(c->next_sent + i) % message_count];
            size_t skip = i == 0 ? c->sent : 0;
            parts[all.msg_iovlen++] = (struct iovec){m->frame + skip, m->frame_size - skip};
        }
        ssize_t out = sendmsg(c->fd, &all, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (out < 0 && errno == EAGAIN) break;
        if (out < 0) fail("send: %s", strerror(errno));
        size_t rest = out;
        if (pong) {
            size_t part = c->pong_size - c->pong_sent < rest ? c->pong_size - c->pong_sent : rest;
            c->pong_sent += part;
            rest -= part;
            if (c->pong_sent < c->pong_size) break;
            c->pong_size = c->pong_sent = 0;
        }
        while (rest > 0) {
            size_t size = messages[c->next_sent % message_count].frame_size - c->sent;
            if (rest < size) {
                c->sent += rest;
                break;
            }
            rest -= size;
            c->sent = 0;
            c->next_sent++;
            c->to_send--;
        }
    }
    watch(c, c->to_send > 0 || c->pong_size > 0);
}

static void fill(struct connection *c, unsigned target) {
    double t = now();
    for (; c->in_flight < target; c->to_send++)
        c->since[(c->next_echo + c->in_flight++) % MAX_IN_FLIGHT] = t;
    flush(c);
}

/* ---- receiving ---- */

static void record(double since) {
    long bucket = (arrival - since) * 100000;
    histogram[bucket < 0 ? 0 : bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    timed++;
}

static void on_control(struct connection *c) {
    if (c->opcode == CLOSE) {
        if (closing) return;
        int code = c->seen < 2 ? 1005 : c->control[0] << 8 | c->control[1];
        fail("closed with %d %.*s", code, c->seen < 2 ? 0 : (int)c->seen - 2, c->control + 2);
    }
    if (c->opcode != PING || c->pong_size > 0) return;
    c->pong[0] = 0x80 | PONG;
    c->pong[1] = 0x80 | c->seen;
    memset(c->pong + 2, 0, 4);
    memcpy(c->pong + 6, c->control, c->seen);
    c->pong_size = 6 + c->seen;
}

/* Bytes that the head of a frame has, as far as its beginning tells. */
static unsigned head_needs(const struct connection *c) {
    if (c->head_size < 2) return 2;
    unsigned size = c->head[1] & 0x7f;
    return size < 126 ? 2 : size == 126 ? 4 : 10;
}

static void on_head(struct connection *c) {
    unsigned needs = c->head_size, size = c->head[1] & 0x7f;
    if (c->head[1] & 0x80) fail("a masked frame");
    c->left = size;
    if (needs > 2) c->left = 0;
    for (unsigned i = 2; i < needs; i++) c->left = c->left << 8 | c->head[i];
    c->opcode = c->head[0] & 0x0f;
    c->final = c->head[0] >> 7;
    if (c->opcode >= CLOSE) {
        if (c->left > sizeof c->control || !c->final) fail("a bad control frame");
        /* Between the parts of a message it would overwrite `seen`: nobody here does that. */
        if (c->seen > 0) fail("a control frame within a message");
    } else if (c->opcode == TEXT) {
        c->compressed = c->head[0] >> 6 & 1;
        if (c->compressed && !offer) fail("a compressed frame, although none was offered");
    } else if (c->opcode != CONTINUATION) {
        fail("opcode %d", c->opcode);
    }
}

static void on_payload(struct connection *c, const unsigned char *bytes, size_t size) {
    if (c->opcode >= CLOSE) {
        memcpy(c->control + c->seen, bytes, size);
    } else if (c->greeted && !c->compressed) {
        struct message *m = &messages[c->next_echo % message_count];
        if (c->seen + size > m->text_size || memcmp(m->text + c->seen, bytes, size) != 0)
            fail("message %u came back changed", c->next_echo);
    }
    c->seen += size;
}

static void on_frame_end(struct connection *c) {
    if (c->opcode >= CLOSE) {
        on_control(c);
        c->seen = 0;
    } else if (c->final) {
        struct message *m = &messages[c->next_echo % message_count];
        if (c->greeted && (c->compressed ? c->seen == 0 : c->seen != m->text_size))
            fail("message %u came back with %zu bytes", c->next_echo, c->seen);
        compressed += c->compressed;
        c->seen = 0;
        on_message(c);
    }
}

static void take(struct connection *c, const unsigned char *bytes, size_t size) {
    while (size > 0) {
        if (c->head_size < head_needs(c)) {
            c->head[c->head_size++] = *bytes++;
            size--;
            if (c->head_size < head_needs(c)) continue;
            on_head(c);
        } else {
            size_t part = c->left < size ? c->left : size;
            on_payload(c, bytes, part);
            bytes += part;
            size -= part;
            c->left -= part;
        }
        if (c->left == 0) {
            c->head_size = 0;
            on_frame_end(c);
        }
    }
}

/* ---- connections ---- */

/* Take the answer to the handshake; what follows it is already frames. */
static void finish_handshake(struct connection *c, const char *path) {
    char head[4096];
    size_t filled = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(c->fd, head + filled, sizeof head - 1 - filled, 0);
        if (got <= 0) fail("%s: no answer to the handshake", path);
        filled += got;
        head[filled] = 0;
        end = strstr(head, "\r\n\r\n");
        if (end == NULL && filled == sizeof head - 1) fail("%s: an endless answer", path);
    }
    *end = 0;
    if (strncmp(head, "HTTP/1.1 101", 12) != 0 || strstr(head, ACCEPT) == NULL)
        fail("%s: not accepted: %.60s", path, head);
    if ((strstr(head, "permessage-deflate") != NULL) != offer) {
        fprintf(stderr, "%s: compression %s\n", path, offer ? "is declined" : "was not offered");
        exit(3);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    take(c, (unsigned char *)end + 4, head + filled - end - 4);
}

static void dial(struct connection *c, unsigned number, const char *path) {
    char request[1024];
    int on = 1, size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path,
        ntohs(server.sin_port),
        offer ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
    if (size >= (int)sizeof request) fail("the path is too long");
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    /* Several source addresses: ports in TIME_WAIT do not run out. */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0)
        fail("connect: %s", strerror(errno));
    if (send(c->fd, request, size, MSG_NOSIGNAL) != size) fail("send: %s", strerror(errno));
    finish_handshake(c, path);
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &want) < 0) fail("epoll_ctl");
}

static void turn(double until) {
    static unsigned char buffer[ROOM];
    struct epoll_event events[BATCH];
    int count = epoll_wait(poller, events, BATCH, (int)((until - now()) * 1000) + 1);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (events[i].events & ~EPOLLOUT) {
            ssize_t got = recv(c->fd, buffer, ROOM, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN)) {
                if (!closing) fail("a connection was lost");
                epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL);
                closing--;
                continue;
            }
            if (got > 0) {
                arrival = last_arrival = now();
                take(c, buffer, got);
            }
        }
        if (!closing) send_more(c);
    }
    if (now() - last_arrival > SILENCE) fail("%.0f seconds of silence", SILENCE);
}

static void await_line(void) {
    char byte;
    fflush(stdout);
    while (read(0, &byte, 1) > 0 && byte != '\n') {
    }
    last_arrival = now();
}

static double percentile(double share) {
    unsigned long seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > timed * share) return (i + 0.5) / 100;
    return 0;
}

static void measure(double seconds, struct connection *first, unsigned count) {
    finished = compressed = timed = 0;
    memset(histogram, 0, sizeof histogram);
    double used = cpu(), start = now(), stop = start + seconds;
    for (unsigned i = 0; i < count; i++) send_more(first + i);
    while (now() < stop) turn(stop);
    double end = now();
    printf("{\"requests\": %lu, \"seconds\": %.6f, \"errors\": 0, \"cpu\": %.6f, ",
           finished, end - start, cpu() - used);
    if (offer) printf("\"compressed\": %.3f, ", finished ? (double)compressed / finished : 0);
    printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", percentile(.5), percentile(.99));
    await_line();
}

/* Let everybody finish what is in flight, then close all connections. */
static void end(struct connection *all, unsigned count) {
    static const unsigned char bye[] = {0x80 | CLOSE, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff};
    double until = now() + 5;
    unsigned open = 1;
    for (depth = 0; open && now() < until;) {
        open = 0;
        for (unsigned i = 0; i < count; i++) open += all[i].in_flight + all[i].pong_size > 0;
        if (open) turn(until);
    }
    closing = count;
    for (unsigned i = 0; i < count; i++) send(all[i].fd, bye, sizeof bye, MSG_NOSIGNAL);
    for (until = now() + 2; closing && now() < until;) {
        last_arrival = now();
        turn(until);
    }
}

/* ---- the kinds of load ---- */

static void echo_more(struct connection *c) { fill(c, depth); }

static void on_echo(struct connection *c) {
    if (c->in_flight == 0) fail("a message that nobody sent");
    record(c->since[c->next_echo++ % MAX_IN_FLIGHT]);
    c->in_flight--;
    finished++;
}

static unsigned members, greetings, missing[MAX_IN_FLIGHT];
static struct connection *publisher;

static void publish_more(struct connection *c) {
    if (c != publisher) {
        flush(c);
        return;
    }
    for (unsigned i = publisher->in_flight; i < depth; i++)
        missing[(publisher->next_echo + i) % MAX_IN_FLIGHT] = members;
    fill(publisher, depth);
}

static void on_delivery(struct connection *c) {
    if (c == publisher) fail("the publisher got a message");
    if (!c->greeted) {
        c->greeted = 1;
        greetings++;
        return;
    }
    unsigned number = c->next_echo++;
    if (number - publisher->next_echo >= publisher->in_flight) fail("a message came twice");
    finished++;
    if (--missing[number % MAX_IN_FLIGHT] > 0) return;
    /* Messages keep their order: this is the oldest in flight. */
    record(publisher->since[publisher->next_echo++ % MAX_IN_FLIGHT]);
    publisher->in_flight--;
    publish_more(publisher);
}

static int run_echo(struct connection *all, char **argv) {
    unsigned count = atoi(argv[1]), in_flight = atoi(argv[2]);
    double seconds = atof(argv[3]);
    if (count < 1 || count > MAX_CONNECTIONS || in_flight < 1 || in_flight > MAX_IN_FLIGHT) return 2;
    if (seconds > MAX_SECONDS) return 2;
    on_message = on_echo;
    send_more = echo_more;
    for (unsigned i = 0; i < count; i++) {
        all[i].greeted = 1;
        dial(all + i, i, argv[0]);
    }
    puts("ready");
    await_line();
    depth = in_flight;
    measure(seconds, all, count);
    end(all, count);
    return 0;
}

static int run_fanout(struct connection *all, char **argv) {
    unsigned in_flight = atoi(argv[3]);
    double seconds = atof(argv[4]);
    members = atoi(argv[2]);
    if (members < 1 || members >= MAX_CONNECTIONS || seconds > MAX_SECONDS) return 2;
    if (in_flight < 1 || in_flight > MAX_IN_FLIGHT) return 2;
    publisher = all + members;
    on_message = on_delivery;
    send_more = publish_more;
    for (unsigned i = 0; i < members; i++) dial(all + i, i, argv[0]);
    dial(publisher, members, argv[1]);
    last_arrival = now();
    while (greetings < members) turn(now() + 1);
    puts("ready");
    await_line();
    depth = in_flight;
    measure(seconds, publisher, 1);
    end(all, members + 1);
    return 0;
}

static int run_idle(struct connection *all, char **argv) {
    unsigned count = atoi(argv[1]), alive = 0;
    if (count < 1 || count > MAX_CONNECTIONS) return 2;
    on_message = on_echo;
    send_more = echo_more;
    for (unsigned i = 0; i < count; i++) {
        all[i].greeted = 1;
        dial(all + i, i, argv[0]);
        last_arrival = now();
        for (fill(all + i, 1); all[i].in_flight > 0;) turn(now() + 1);
    }
    puts("ready");
    await_line();
    char byte;
    for (unsigned i = 0; i < count; i++)
        alive += recv(all[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    printf("{\"alive\": %u}\n", alive);
    await_line();
    end(all, count);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "-z") == 0) {
        offer = 1;
        argc--;
        argv++;
    }
    int (*run)(struct connection *, char **) =
        argc == 8 && strcmp(argv[2], "echo") == 0 ? run_echo
        : argc == 9 && strcmp(argv[2], "fanout") == 0 ? run_fanout
        : argc == 6 && strcmp(argv[2], "idle") == 0 ? run_idle : NULL;
    struct connection *all = calloc(MAX_CONNECTIONS, sizeof *all);
    int status = 2;
    if (run != NULL && all != NULL) {
        server.sin_family = AF_INET;
        server.sin_port = htons(atoi(argv[3]));
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        load_messages(argv[1]);
        poller = epoll_create1(EPOLL_CLOEXEC);
        status = run(all, argv + 4);
    }
    if (status == 2) fputs("usage: see the head of websocket.c\n", stderr);
    return status;
}
