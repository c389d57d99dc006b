/*
 * test_posix_port.c - sockets and names of the POSIX port
 *
 * Job:      streams and datagrams on loopback, what wait() returns for, resolv.conf and hosts
 *           files of every shape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../port/posix/posix_port.h"

#define PATIENCE_MS 5000

static struct pp_posix_port p;
static char resolv_path[] = "/tmp/pinpost-resolv-XXXXXX";
static char hosts_path[] = "/tmp/pinpost-hosts-XXXXXX";

static void write_file(const char *path_z, const char *text_z)
{
    FILE *f = fopen(path_z, "w");

    assert_non_null(f);
    assert_true(fputs(text_z, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    close(mkstemp(resolv_path));
    close(mkstemp(hosts_path));
    return pp_posix_port_init(&p, resolv_path, hosts_path);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(resolv_path);
    unlink(hosts_path);
    pp_posix_port_close(&p);
    return 0;
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static struct pp_address loopback(uint16_t port)
{
    return (struct pp_address){.family = 4, .ip = {127, 0, 0, 1}, .port = port};
}

static int connected_after_waiting(int stream)
{
    uint64_t end_ms = p.port.now_ms(&p) + PATIENCE_MS;
    int result;

    while ((result = p.port.stream_connected(&p, stream)) == 0 && p.port.now_ms(&p) < end_ms) {
        p.port.stream_watch(&p, stream, false, true);
        p.port.wait(&p, end_ms);
    }
    return result;
}

static void a_stream_carries_bytes_both_ways_and_ends(void **state)
{
    uint16_t port;
    int listener = listen_on_loopback(&port);
    struct pp_address to = loopback(port);
    int stream = p.port.stream_connect(&p, &to);
    char bytes[8];

    (void)state;
    assert_true(stream > 0);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(connected_after_waiting(stream), 1);
    assert_int_equal(p.port.stream_read(&p, stream, bytes, sizeof(bytes)), PP_IO_LATER);
    assert_int_equal(p.port.stream_write(&p, stream, "hello", 5), 5);
    assert_int_equal(read(peer, bytes, sizeof(bytes)), 5);
    assert_int_equal(write(peer, "you", 3), 3);
    p.port.stream_watch(&p, stream, true, false);
    p.port.wait(&p, p.port.now_ms(&p) + PATIENCE_MS);
    assert_int_equal(p.port.stream_read(&p, stream, bytes, sizeof(bytes)), 3);
    close(peer);
    p.port.wait(&p, p.port.now_ms(&p) + PATIENCE_MS);
    assert_int_equal(p.port.stream_read(&p, stream, bytes, sizeof(bytes)), PP_IO_CLOSED);
    p.port.stream_close(&p, stream);
    close(listener);
}

static void a_closed_port_is_refused(void **state)
{
    uint16_t port;
    int listener = listen_on_loopback(&port);
    struct pp_address to = loopback(port);

    (void)state;
    close(listener);
    int stream = p.port.stream_connect(&p, &to);
    if (stream > 0) {
        assert_int_equal(connected_after_waiting(stream), PP_IO_REFUSED);
        p.port.stream_close(&p, stream);
    } else {
        assert_int_equal(stream, PP_IO_REFUSED);
    }
}

static void slots_run_out_and_come_back(void **state)
{
    uint16_t port;
    int listener = listen_on_loopback(&port);
    struct pp_address to = loopback(port);
    int streams[PP_POSIX_SOCKETS];

    (void)state;
    for (int i = 0; i < PP_POSIX_SOCKETS; i++) {
        streams[i] = p.port.datagram_open(&p, &to);
        assert_true(streams[i] > 0);
    }
    assert_int_equal(p.port.datagram_open(&p, &to), PP_IO_NO_SLOT);
    for (int i = 0; i < PP_POSIX_SOCKETS; i++) {
        p.port.datagram_close(&p, streams[i]);
    }
    streams[0] = p.port.datagram_open(&p, &to);
    assert_true(streams[0] > 0);
    p.port.datagram_close(&p, streams[0]);
    close(listener);
}

static void a_local_caller_is_known_by_uid(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct pp_peer peer;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(a.sun_path, sizeof(a.sun_path), "%s.sock", hosts_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(pp_posix_port_listen(&p, listener, PP_PORT_LOCAL), 0);
    assert_int_equal(p.port.stream_accept(&p, 0, &peer), PP_IO_LATER);
    assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
    p.port.wait(&p, p.port.now_ms(&p) + PATIENCE_MS);
    int stream = p.port.stream_accept(&p, 0, &peer);
    assert_true(stream > 0);
    assert_true(peer.uid_known);
    assert_int_equal(peer.uid, getuid());
    p.port.stream_close(&p, stream);
    close(client);
    close(listener);
    unlink(a.sun_path);
}

static void name_servers_are_read_and_reread(void **state)
{
    struct pp_address servers[4];

    (void)state;
    write_file(resolv_path, "# comment\nsearch example.org\nnameserver 192.0.2.1\r\n"
                            "nameserver\t2001:db8::5 \nnameserver 127.0.0.1:5353\n"
                            "nameserver 192.0.2.4\n");
    assert_int_equal(p.port.name_servers(&p, servers, 4), 3);
    assert_int_equal(servers[0].family, 4);
    assert_int_equal(servers[0].port, 53);
    assert_int_equal(servers[1].family, 6);
    assert_int_equal(servers[2].port, 5353);
    assert_int_equal(p.port.name_servers(&p, servers, 1), 1);
    write_file(resolv_path, "nameserver [::1]:5300\nnameserver nonsense\nnameserver\n");
    assert_int_equal(p.port.name_servers(&p, servers, 4), 1);
    assert_int_equal(servers[0].family, 6);
    assert_int_equal(servers[0].port, 5300);
    write_file(resolv_path, "");
    assert_int_equal(p.port.name_servers(&p, servers, 4), 1);
    assert_int_equal(servers[0].ip[0], 127);
}

static void hosts_are_found_by_any_name_and_family(void **state)
{
    struct pp_address found[4];

    (void)state;
    write_file(hosts_path, "127.0.0.1\tlocalhost\n# 192.0.2.9 mail.example.org\n"
                           "192.0.2.7 mail.example.org mail # the smarthost\n"
                           "2001:db8::7   Mail.Example.Org\n192.0.2.8 mail.example.org\nbroken\n");
    assert_int_equal(p.port.hosts(&p, "MAIL.example.org", 4, found, 4), 2);
    assert_int_equal(found[0].ip[3], 7);
    assert_int_equal(found[1].ip[3], 8);
    assert_int_equal(p.port.hosts(&p, "mail.example.org.", 6, found, 4), 1);
    assert_int_equal(p.port.hosts(&p, "mail", 4, found, 4), 1);
    assert_int_equal(p.port.hosts(&p, "mail.example", 4, found, 4), 0);
    assert_int_equal(p.port.hosts(&p, "", 4, found, 4), 0);
    assert_int_equal(p.port.hosts(&p, "mail.example.org", 4, found, 1), 1);
}

static void entropy_is_not_constant(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};

    (void)state;
    assert_int_equal(p.port.entropy(&p, a, sizeof(a)), 0);
    assert_int_equal(p.port.entropy(&p, b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_carries_bytes_both_ways_and_ends),
        cmocka_unit_test(a_closed_port_is_refused),
        cmocka_unit_test(slots_run_out_and_come_back),
        cmocka_unit_test(a_local_caller_is_known_by_uid),
        cmocka_unit_test(name_servers_are_read_and_reread),
        cmocka_unit_test(hosts_are_found_by_any_name_and_family),
        cmocka_unit_test(entropy_is_not_constant),
    };
    return cmocka_run_group_tests_name("posix_port", tests, set_up, tear_down);
}
