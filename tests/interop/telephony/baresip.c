/*
 * What baresip 1.0 lacks to be a phone of tests; to be preloaded.
 *
 * An ear: what it has decoded goes to the file that AGW_TEST_HEARD names, 16-bit samples. Its own
 * module for that, sndfile, hears nothing any more after a hold.
 *
 * Sequence numbers that begin and go on as a test wants, if AGW_TEST_SEQUENCE names a file of two
 * 16-bit numbers: where the first packet begins, and how many numbers have been left out so far, as
 * by a phone that counts on while it sends nothing. SRTP is sealed behind this by the phone itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mbuf;
struct aubuf;

/* As in re_rtp.h of libre 1.1. */
struct rtp_header {
	uint8_t ver;
	bool pad;
	bool ext;
	uint8_t cc;
	bool m;
	uint8_t pt;
	uint16_t seq;
	uint32_t ts;
	uint32_t ssrc;
	uint32_t csrc[16];
	struct {
		uint16_t type;
		uint16_t len;
	} x;
};

static int opened(const char *name, int flags)
{
	const char *path = getenv(name);
	int file = path ? open(path, flags | O_CLOEXEC, 0600) : -1;

	if (path && file < 0)
		abort();
	return file;
}

/* The main thread decodes; what its source plays is written by another one. */
int aubuf_write(struct aubuf *ab, const uint8_t *p, size_t sz)
{
	static int (*real)(struct aubuf *, const uint8_t *, size_t);
	static int heard = -1;

	if (!real) {
		real = (int (*)(struct aubuf *, const uint8_t *, size_t))dlsym(
			RTLD_NEXT, "aubuf_write");
		heard = opened("AGW_TEST_HEARD", O_WRONLY | O_CREAT | O_APPEND);
	}
	if (heard >= 0 && syscall(SYS_gettid) == getpid()) {
		if (write(heard, p, sz) != (ssize_t)sz)
			abort();
	}
	return real(ab, p, sz);
}

int rtp_hdr_encode(struct mbuf *mb, const struct rtp_header *hdr)
{
	static int (*real)(struct mbuf *, const struct rtp_header *);
	static const volatile uint16_t *told;
	static uint16_t own;
	struct rtp_header shifted = *hdr;

	if (!real) {
		int file = opened("AGW_TEST_SEQUENCE", O_RDONLY);

		real = (int (*)(struct mbuf *, const struct rtp_header *))dlsym(
			RTLD_NEXT, "rtp_hdr_encode");
		own = hdr->seq;
		if (file >= 0) {
			told = mmap(NULL, 4, PROT_READ, MAP_SHARED, file, 0);
			if (told == MAP_FAILED)
				abort();
		}
	}
	if (told)
		shifted.seq = (uint16_t)(hdr->seq - own + told[0] + told[1]);
	return real(mb, &shifted);
}
