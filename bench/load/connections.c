/* Load that wrk cannot make: connections as the unit.
 *
 *   connections close PORT PATH SLOTS SECONDS
 *       Each of SLOTS slots connects, asks for PATH with "Connection: close", reads the response
 *       and the end of the connection, and starts again. Prints one JSON object.
 *
 *   connections idle PORT PATH COUNT
 *       Opens COUNT keep-alive connections one after the other and makes one request on each.
 *       Prints "ready", holds them until stdin ends, then prints how many are still open.
 *
 * Loopback only. Sockets are spread over source addresses 127.0.0.2 and up, so that connections
 * in TIME_WAIT never use up the ports. connect() is allowed to block: on the loopback the kernel
 * finishes the handshake without the server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 8192, SOURCES = 64, BATCH = 128, MAX_SLOTS = 4096 };

struct slot {
    int fd;
    size_t filled;
    char bytes[ROOM];
};

static struct sockaddr_in server;
static char request[1024];
static size_t request_size;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* A connected socket with the request already sent. */
static int ask(unsigned number) {
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
    if (send(fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) fail("send");
    return fd;
}

/* Bytes still missing from the response in `s`; -1 while its head is incomplete or it is bad. */
static long missing(const struct slot *s) {
    const char *end = memmem(s->bytes, s->filled, "\r\n\r\n", 4);
    if (end == NULL || s->filled < 12 || memcmp(s->bytes, "HTTP/1.1 200", 12) != 0) return -1;
    for (const char *line = s->bytes; line < end; line++) {
        if (line[0] == '\n' && strncasecmp(line + 1, "content-length:", 15) == 0) {
            long size = strtol(line + 16, NULL, 10);
            return size - (long)(s->bytes + s->filled - (end + 4));
        }
    }
    return -1;
}

static int run_close(unsigned slots, double seconds) {
    static struct slot all[MAX_SLOTS];
    struct epoll_event events[BATCH];
    unsigned long finished = 0, errors = 0;
    unsigned opened = 0;
    if (slots < 1 || slots > MAX_SLOTS) return 2;
    int poll = epoll_create1(0);
    double start = now(), stop = start + seconds, t = start;
    for (unsigned i = 0; i < slots; i++) {
        struct epoll_event want = {.events = EPOLLIN, .data.u32 = i};
        all[i].fd = ask(opened++);
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &want);
    }
    for (; t < stop; t = now()) {
        int count = epoll_wait(poll, events, BATCH, (int)((stop - t) * 1000) + 1);
        for (int e = 0; e < count; e++) {
            unsigned i = events[e].data.u32;
            struct slot *s = &all[i];
            ssize_t got = recv(s->fd, s->bytes + s->filled, ROOM - s->filled, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got > 0) {
                s->filled += got;
                if (s->filled < ROOM) continue;
            }
            if (got == 0 && missing(s) == 0) finished++; else errors++;
            close(s->fd);
            struct epoll_event want = {.events = EPOLLIN, .data.u32 = i};
            s->filled = 0;
            s->fd = ask(opened++);
            epoll_ctl(poll, EPOLL_CTL_ADD, s->fd, &want);
        }
    }
    printf("{\"requests\": %lu, \"seconds\": %.6f, \"errors\": %lu}\n", finished, t - start, errors);
    return 0;
}

static int run_idle(unsigned count) {
    int *fds = calloc(count, sizeof *fds);
    static struct slot one;
    unsigned alive = 0;
    if (fds == NULL) fail("calloc");
    for (unsigned i = 0; i < count; i++) {
        fds[i] = ask(i);
        one.filled = 0;
        while (missing(&one) != 0) {
            ssize_t got = recv(fds[i], one.bytes + one.filled, ROOM - one.filled, 0);
            if (got <= 0) fail("recv");
            one.filled += got;
        }
    }
    puts("ready");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
    for (unsigned i = 0; i < count; i++)
        alive += recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    printf("{\"alive\": %u}\n", alive);
    return 0;
}

int main(int argc, char **argv) {
    int closing = argc == 6 && strcmp(argv[1], "close") == 0;
    if (!closing && !(argc == 5 && strcmp(argv[1], "idle") == 0)) {
        fprintf(stderr, "usage: connections close PORT PATH SLOTS SECONDS | idle PORT PATH COUNT\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    request_size = snprintf(request, sizeof request,
                            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: %s\r\n\r\n",
                            argv[3], argv[2], closing ? "close" : "keep-alive");
    if (request_size >= sizeof request) return 2;
    return closing ? run_close(atoi(argv[4]), atof(argv[5])) : run_idle(atoi(argv[4]));
}
