// SPDX-License-Identifier: Apache-2.0
/// @file packet.h
/// @brief What the feed sends the sensor: one datagram, with up to 128 segments of TCP flows.
#pragma once

#include <cstdint>

constexpr int kSegments = 128;
constexpr uint32_t kSegmentBytes = 16;

struct Segment {
	uint32_t flow;
	uint32_t sequence; ///< number of its first byte
};

struct Packet {
	uint32_t count; ///< segments in use; 0: the end of the feed
	Segment segment[kSegments];
	char payload[512];
};
