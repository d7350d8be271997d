/* What filter.rs assembles, in C: for the reader, and for a test that compiles it with
 * `clang -target bpf`, loads it and compares the two programs frame by frame.
 *
 * ADDRESS_V4 (a number), ADDRESS_V6 (16 octets), PORT_LOW, PORT_HIGH, VLAN (0 for none): one realm,
 * from the command line. The constant in `map` is replaced by the address of the XSKMAP at load time.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index;
};

enum { XDP_PASS = 2 };

static long (*const redirect_map)(void *map, u64 key, u64 flags) = (void *)51;

#define INLINE static inline __attribute__((always_inline))

INLINE u16 be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

INLINE u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

INLINE int is_realm_v6(const u8 *address)
{
	static const u8 realm[16] = { ADDRESS_V6 };
#pragma clang loop unroll(full)
	for (int i = 0; i < 16; i++)
		if (address[i] != realm[i])
			return 0;
	return 1;
}

__attribute__((section("xdp"))) int filter(struct xdp_md *context)
{
	const u8 *frame = (const u8 *)(u64)context->data;
	const u8 *end = (const u8 *)(u64)context->data_end;
	const u8 *ip, *udp;
	u32 behind;
	u16 ethertype, vlan = 0;
	void *map;

	if (frame + 14 > end)
		return XDP_PASS;
	ethertype = be16(frame + 12);
	ip = frame + 14;
	if (ethertype == 0x8100) {
		if (frame + 18 > end)
			return XDP_PASS;
		ethertype = be16(frame + 16);
		vlan = be16(frame + 14) & 0x0FFF;
		ip = frame + 18;
	}
	/* Another realm's, or nobody's. */
	if (vlan != 0 && vlan != VLAN)
		return XDP_PASS;
	if (ethertype == 0x0800) {
		udp = ip + 20;
		if (udp + 8 > end)
			return XDP_PASS;
		/* Version 4 without options, UDP, neither first nor later fragment. */
		if (ip[0] != 0x45 || ip[9] != 17 || (be16(ip + 6) & 0x3FFF) != 0)
			return XDP_PASS;
		if (be32(ip + 16) != ADDRESS_V4)
			return XDP_PASS;
		behind = be16(ip + 2);
		if (behind < 28)
			return XDP_PASS;
		behind -= 20;
	} else if (ethertype == 0x86DD) {
		udp = ip + 40;
		if (udp + 8 > end)
			return XDP_PASS;
		/* Version 6, UDP without extension headers, with a checksum. */
		if (ip[0] >> 4 != 6 || ip[6] != 17 || be16(udp + 6) == 0)
			return XDP_PASS;
		if (!is_realm_v6(ip + 24))
			return XDP_PASS;
		behind = be16(ip + 4);
	} else {
		return XDP_PASS;
	}
	/* Both lengths are honest. */
	if (behind > (u64)(end - udp) || be16(udp + 4) < 8 || be16(udp + 4) > behind)
		return XDP_PASS;
	if (be16(udp + 2) < PORT_LOW || be16(udp + 2) > PORT_HIGH)
		return XDP_PASS;
	asm volatile("%0 = 0x0a67000a ll" : "=r"(map));
	return redirect_map(map, context->rx_queue_index, XDP_PASS);
}
