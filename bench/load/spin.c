/* LD_PRELOAD shim: epoll_wait() that polls instead of sleeping.
 *
 * A sender on the loopback pays for waking a receiver that sleeps; on a virtual machine that is
 * an interrupt to another processor and can cost more than the request. Load that never sleeps
 * keeps this cost, which a network card would not have, out of the server's CPU time.
 *
 * At exit the seconds spent without anything to do are printed to stderr: "idle 0.123".
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double idle;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int epoll_wait(int fd, struct epoll_event *events, int room, int timeout) {
    int count = syscall(SYS_epoll_wait, fd, events, room, 0);
    if (count != 0 || timeout == 0) return count;
    double start = now(), t = start;
    do {
        count = syscall(SYS_epoll_wait, fd, events, room, 0);
        t = now();
    } while (count == 0 && (timeout < 0 || t - start < timeout / 1000.0));
    idle += t - start;
    return count;
}

__attribute__((destructor)) static void report(void) { fprintf(stderr, "idle %.6f\n", idle); }
