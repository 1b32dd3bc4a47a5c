// SPDX-License-Identifier: Apache-2.0
/// @file feed.cc
/// @brief Sends a sensor a thousand packets a second; what the sensor has no room for is dropped and counted.
///
/// All flows are in order but one: shortly after second 7, for less than half a second, one that lacks its first
/// segment repeats the same segments again and again.
#include "packet.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

constexpr long kTick = 5'000'000;  // ns
constexpr int kPacketsPerTick = 5; // 1,000 packets a second
constexpr int kBurstBegin = 1460;  // tick
constexpr int kBurstEnd = 1550;
constexpr uint32_t kBadFlow = 13, kHeld = 10000; // segments of it that are held and repeated

struct Feed {
	int socket;
	long sent = 0, dropped = 0;
	uint32_t next[8] = {}, repeated = 0;

	void in_order(Packet &packet);
	void repeat(Packet &packet);
	void send_packet(const Packet &packet);
	void send_surely(const Packet &packet);
};

void Feed::in_order(Packet &packet)
{
	packet.count = 2;
	for (uint32_t i = 0; i < packet.count; ++i) {
		uint32_t flow = static_cast<uint32_t>(sent + i) % 8;
		packet.segment[i] = {flow, next[flow]};
	}
}

void Feed::repeat(Packet &packet)
{
	packet.count = kSegments;
	for (Segment &segment : packet.segment) {
		segment = {kBadFlow, (1 + repeated % kHeld) * kSegmentBytes};
		++repeated;
	}
}

void Feed::send_packet(const Packet &packet)
{
	++sent;
	if (send(socket, &packet, sizeof packet, MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN) {
			perror("feed: send");
			exit(1);
		}
		++dropped; // its flows send the same again
		return;
	}
	for (uint32_t i = 0; i < packet.count; ++i) {
		if (packet.segment[i].flow != kBadFlow)
			next[packet.segment[i].flow] += kSegmentBytes;
	}
}

void Feed::send_surely(const Packet &packet)
{
	if (send(socket, &packet, sizeof packet, 0) < 0) {
		perror("feed: send");
		exit(1);
	}
}

int main(int count, char **words)
{
	const int seconds = count > 1 ? atoi(words[1]) : 24;
	int pair[2];
	const int room = 64 << 10;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) ||
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room)) {
		perror("feed");
		return 1;
	}
	if (pid_t child = fork(); child == 0) {
		dup2(pair[1], 0);
		execl("./sensor", "sensor", nullptr);
		_exit(127);
	}
	close(pair[1]);
	usleep(500'000); // the sensor drops its privileges and sets up
	Feed feed{pair[0]};
	Packet packet{};
	for (char &byte : packet.payload)
		byte = static_cast<char>('a' + (&byte - packet.payload) * 7 % 26);
	timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	for (int tick = 0; tick < seconds * 200; ++tick) {
		const bool burst = tick >= kBurstBegin && tick < kBurstEnd;
		for (int i = 0; i < kPacketsPerTick; ++i) {
			if (burst && i > 0)
				feed.repeat(packet);
			else
				feed.in_order(packet);
			feed.send_packet(packet);
		}
		if (tick == kBurstEnd) { // the segment that was missing comes at last
			packet.count = 1;
			packet.segment[0] = {kBadFlow, 0};
			feed.send_surely(packet);
		}
		at.tv_nsec += kTick;
		at.tv_sec += at.tv_nsec / 1'000'000'000;
		at.tv_nsec %= 1'000'000'000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
	}
	packet.count = 0;
	feed.send_surely(packet);
	wait(nullptr);
	printf("%ld packets sent, %ld dropped\n", feed.sent, feed.dropped);
}
