/* A cheap SMTP sink: takes everything and counts. One thread, epoll, PIPELINING.
 *
 * `csink PORT` listens on 127.0.0.1, prints "ready", and one JSON line when its standard input ends. A recipient whose
 * local part ends in a number, such as person17@example.test, is known by it; one seen before is a duplicate.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (256 * 1024)
#define MOST_NUMBER (1u << 27)
#define N_EVENTS 64
#define ANSWER(text) (memcpy(answers + n_answers, text, sizeof(text) - 1), n_answers += sizeof(text) - 1)

typedef struct {
    int fd;
    int is_data;
    size_t n_held;
    char held[BUFFER];
} Session;

static unsigned long n_messages, n_bytes, n_recipients, n_duplicates, n_unnumbered;
static unsigned char *seen;
/* The shortest line that gets an answer has 1 byte, the longest answer some 40. */
static char answers[48 * BUFFER];
static size_t n_answers;

/* RCPT TO:<person17@example.test> */
static void take_recipient(const char *line, const char *end) {
    const char *at = memchr(line, '@', end - line);
    unsigned long number = 0, digit = 1;
    const char *c = at;
    for (; c && c > line && c[-1] >= '0' && c[-1] <= '9' && digit < 1000000000ul; c--, digit *= 10)
        number += (unsigned long)(c[-1] - '0') * digit;
    if (!at || c == at || number >= MOST_NUMBER) {
        n_unnumbered++;
        return;
    }
    unsigned char bit = 1 << (number & 7);
    if (seen[number >> 3] & bit) n_duplicates++;
    else n_recipients++;
    seen[number >> 3] |= bit;
}

/* One command line without its end; 0 when the client leaves. */
static int answer(Session *session, const char *line, const char *end) {
    char verb[5] = "    ";
    for (int i = 0; i < 4 && line + i < end; i++) verb[i] = line[i] & ~32;
    if (!memcmp(verb, "RCPT", 4)) take_recipient(line, end);
    else if (!memcmp(verb, "DATA", 4)) {
        session->is_data = 1;
        ANSWER("354 go\r\n");
        return 1;
    } else if (!memcmp(verb, "EHLO", 4)) {
        ANSWER("250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
        return 1;
    } else if (!memcmp(verb, "QUIT", 4)) {
        ANSWER("221 bye\r\n");
        return 0;
    }
    ANSWER("250 ok\r\n");
    return 1;
}

/* All that is whole in the buffer; 0 when the session is over. */
static int talk(Session *session) {
    char *place = session->held, *end = session->held + session->n_held;
    int stays = 1;
    n_answers = 0;
    while (stays && place < end) {
        if (session->is_data) {
            /* `place` is at the line end before, so that an empty message is found as well. */
            char *dot = memmem(place, end - place, "\r\n.\r\n", 5);
            if (!dot) {
                char *kept = end - place > 4 ? end - 4 : place;
                n_bytes += kept - place;
                place = kept;
                break;
            }
            n_bytes += dot - place;
            n_messages++;
            session->is_data = 0;
            place = dot + 5;
            ANSWER("250 2.0.0 ok\r\n");
            continue;
        }
        char *line_end = memmem(place, end - place, "\r\n", 2);
        if (!line_end) break;
        stays = answer(session, place, line_end);
        place = line_end + (session->is_data ? 0 : 2);
    }
    session->n_held = end - place;
    memmove(session->held, place, session->n_held);
    if (n_answers && write(session->fd, answers, n_answers) < 0) return 0;
    return stays && session->n_held < BUFFER;
}

static void admit(int listener, int poll) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Session *session = malloc(sizeof *session);
        if (!session) exit(1);
        session->fd = fd, session->is_data = 0, session->n_held = 0;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (write(fd, "220 sink\r\n", 10) < 0) perror("csink");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void serve(Session *session) {
    ssize_t n = read(session->fd, session->held + session->n_held, BUFFER - session->n_held);
    if (n > 0) session->n_held += n;
    if (n <= 0 || !talk(session)) {
        close(session->fd);
        free(session);
    }
}

static int listen_on(int port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 256)) {
        perror("csink");
        exit(1);
    }
    return listener;
}

int main(int argc, char **argv) {
    struct epoll_event events[N_EVENTS], on_listener = {.events = EPOLLIN}, on_input = {.events = EPOLLIN};
    char ignored[64];
    int listener = listen_on(argc > 1 ? atoi(argv[1]) : 2525), poll = epoll_create1(0), goes_on = 1;
    signal(SIGPIPE, SIG_IGN);
    if (!(seen = calloc(MOST_NUMBER / 8, 1))) return 1;
    on_listener.data.ptr = &listener;
    on_input.data.ptr = &goes_on;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &on_listener);
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &on_input);
    puts("ready");
    fflush(stdout);
    while (goes_on) {
        int n = epoll_wait(poll, events, N_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            void *which = events[i].data.ptr;
            if (which == &listener) admit(listener, poll);
            else if (which == &goes_on) goes_on = read(0, ignored, sizeof ignored) > 0;
            else serve(which);
        }
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu_s = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"messages\": %lu, \"bytes\": %lu, \"recipients\": %lu, \"duplicates\": %lu, \"unnumbered\": %lu, "
           "\"cpu_s\": %.6f}\n",
           n_messages, n_bytes, n_recipients, n_duplicates, n_unnumbered, cpu_s);
    return 0;
}
