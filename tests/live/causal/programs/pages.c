/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief Pages made of answers of PostgreSQL: a CGI program, or (-DFASTCGI) so many FastCGI processes.
 *
 * usage: pages CONNINFO [SOCKET PROCESSES]; as CGI it takes the conninfo from PAGES_DATABASE.
 * One request at a time; the path /KIND/ITEM?tag=TAG says how many statements a page takes.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef FASTCGI
#include <fcgiapp.h>
#include <signal.h>
#endif

enum { BODY = 4096 };

static void statement(PGconn *database, int item, const char *tag, int slow, char *body)
{
	char sql[256];
	if (slow)
		snprintf(sql, sizeof sql, "SELECT name, '%s' AS tag FROM item, pg_sleep(0.00%d) WHERE id = %d", tag,
				 1 + item % 4, item);
	else
		snprintf(sql, sizeof sql, "SELECT name, '%s' AS tag FROM item WHERE id = %d", tag, item);
	PGresult *result = PQexec(database, sql);
	size_t used = strlen(body);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		snprintf(body + used, BODY - used, "%s %s\n", PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	else
		snprintf(body + used, BODY - used, "%s", PQerrorMessage(database));
	PQclear(result);
}

static void page(PGconn *database, const char *path, const char *query, char *body)
{
	char kind[16] = "", tag[32] = "";
	int item = 0;
	body[0] = 0;
	if (sscanf(path ? path : "", "/%15[a-z]/%d", kind, &item) != 2 || !query || strncmp(query, "tag=", 4) != 0)
		return;
	snprintf(tag, sizeof tag, "%.8s", query + 4);
	int calls = strcmp(kind, "one") == 0 ? 1 : strcmp(kind, "many") == 0 ? 4 : 2;
	if (strcmp(kind, "some") == 0 && item % 2)
		calls = 3;
	for (int i = 0; i < calls; i++)
		statement(database, item + i, tag, calls != 1 && i == 0, body);
}

static PGconn *connected(const char *conninfo)
{
	PGconn *database = PQconnectdb(conninfo);
	if (PQstatus(database) == CONNECTION_OK)
		return database;
	fprintf(stderr, "%s", PQerrorMessage(database));
	exit(1);
}

#ifdef FASTCGI
static void serve(const char *conninfo, int listening)
{
	char body[BODY];
	FCGX_Request request;
	PGconn *database = connected(conninfo);
	FCGX_InitRequest(&request, listening, 0);
	while (FCGX_Accept_r(&request) == 0) {
		page(database, FCGX_GetParam("PATH_INFO", request.envp), FCGX_GetParam("QUERY_STRING", request.envp), body);
		FCGX_FPrintF(request.out, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", (int)strlen(body), body);
		FCGX_Finish_r(&request);
	}
	PQfinish(database);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	sigset_t end;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	FCGX_Init();
	int listening = FCGX_OpenSocket(argv[2], 511), signal_number;
	pid_t children[64];
	int many = atoi(argv[3]) < 64 ? atoi(argv[3]) : 64;
	for (int i = 0; i < many; i++)
		if ((children[i] = fork()) == 0) {
			sigprocmask(SIG_UNBLOCK, &end, NULL);
			serve(argv[1], listening);
			exit(0);
		}
	sigwait(&end, &signal_number);
	for (int i = 0; i < many; i++)
		kill(children[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}
#else
int main(void)
{
	char body[BODY];
	PGconn *database = connected(getenv("PAGES_DATABASE"));
	page(database, getenv("PATH_INFO"), getenv("QUERY_STRING"), body);
	printf("Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	PQfinish(database);
	return 0;
}
#endif
