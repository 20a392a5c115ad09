/* SPDX-License-Identifier: Apache-2.0 */
#include "safety/probe/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "safety/probe/judge.h"

#define BODY_MAX    ((size_t)1 << 20)
#define WAIT_MAX_MS 1000 /* the timer of the caller comes first; this is the net under it */
#define EXTRA_FDS   4

struct transfer {
	uint32_t index;
	CURL *easy;
	struct probe_spec spec;
	char host[256];
	char why[CURL_ERROR_SIZE];
	struct match match;
	int64_t started_ns;
	size_t body;    /* bytes so far */
	bool running;   /* the easy handle is in the multi handle */
	bool listening; /* tcp: connected, the banner is to come */
	size_t got_len;
	char got[256];
};

struct http {
	CURLM *multi;
	struct transfer **at; /* by index; NULL = not ours */
	struct curl_waitfd *wait;
	uint32_t n;
};

int http_init(struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(e, EIO, "cannot initialise libcurl");
	return 0;
}

int http_new(struct http **ret, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h)
		h->multi = curl_multi_init();
	if (h)
		h->wait = calloc(EXTRA_FDS, sizeof(*h->wait));
	if (!h || !h->multi || !h->wait) {
		http_free(h);
		return err_set(e, ENOMEM, "cannot make the probe engine");
	}
	*ret = h;
	return 0;
}

static void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	if (t->easy)
		curl_easy_cleanup(t->easy);
	free(t);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		http_cut(h, i);
		transfer_free(h->at[i]);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	free(h->at);
	free(h->wait);
	free(h);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t bytes = size * n, room = BODY_MAX - t->body;

	match_feed(&t->match, data, bytes < room ? bytes : room);
	if (bytes > room) { /* a short count makes libcurl stop here */
		t->body = BODY_MAX;
		return 0;
	}
	t->body += bytes;
	return bytes;
}

/* Settings of both kinds. Each returns CURLE_OK (0) or not: the sum tells. */
static unsigned set_common(struct transfer *t)
{
	CURL *c = t->easy;
	unsigned bad = 0;

	bad += curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	bad += curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why);
	bad += curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	bad += curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	bad += curl_easy_setopt(c, CURLOPT_PROXY, "");
	bad += curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	bad += curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Without it libcurl waits for its resolver thread when a probe is cut: seconds, for all
	 * checks. */
	bad += curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#endif
#if LIBCURL_VERSION_NUM >= 0x075500
	bad += curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	bad += curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	bad += curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	bad += curl_easy_setopt(c, CURLOPT_USERAGENT, "brink");
	bad += curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	bad += curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	return bad;
}

/* The host of an URL, for messages; empty when libcurl does not understand the URL, which then
 * fails as a probe. */
static int url_host(struct transfer *t, struct err *e)
{
	CURLU *u = curl_url();
	char *host = NULL;
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;

	if (u)
		rc = curl_url_set(u, CURLUPART_URL, t->spec.http.url, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_HOST, &host, 0);
	if (!rc)
		snprintf(t->host, sizeof(t->host), "%s", host);
	curl_free(host);
	curl_url_cleanup(u);
	return rc ? err_set(e, EINVAL, "cannot use the URL: libcurl error %d", (int)rc) : 0;
}

/* "http://[::1]:5432/". A host is put into an URL only if nothing in it can end the host part. */
static int tcp_url(const struct probe_tcp *p, char *url, size_t size, struct err *e)
{
	bool v6 = strchr(p->host, ':') != NULL;
	struct text t = text_on(url, size);

	text_add(&t, "http://%s", v6 ? "[" : "");
	for (const unsigned char *c = (const unsigned char *)p->host; *c; c++) {
		if (!isalnum(*c) && *c < 0x80 && !strchr("-._:%", *c))
			return err_set(e, EINVAL, "'%s' is not a host name", p->host);
		text_add(&t, *c == '%' ? "%%25" : "%c", *c); /* the zone of fe80::1%eth0 */
	}
	text_add(&t, "%s:%s/", v6 ? "]" : "", p->service);
	return t.cut ? err_set(e, E2BIG, "the host name is too long") : 0;
}

static int transfer_set(struct transfer *t, struct err *e)
{
	char url[1024];
	unsigned bad = set_common(t);
	int r;

	if (t->spec.source == CHECK_TCP) {
		r = tcp_url(&t->spec.tcp, url, sizeof(url), e);
		memcpy(t->host, t->spec.tcp.host, sizeof(t->host));
		bad += curl_easy_setopt(t->easy, CURLOPT_URL, url);
		/* Nothing reuses such a connection; it is closed when the handle leaves the multi
		 * handle. */
		bad += curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
	} else {
		r = url_host(t, e);
		bad += curl_easy_setopt(t->easy, CURLOPT_URL, t->spec.http.url);
		bad += curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
		match_init(&t->match, t->spec.http.contains);
	}
	return !r && bad ? err_set(e, EINVAL, "libcurl refuses the settings of this check") : r;
}

/* Room for index, and for one more descriptor of each check in http_wait. */
static int grow(struct http *h, uint32_t index)
{
	uint32_t n = index + 1;
	struct curl_waitfd *wait;
	struct transfer **at;

	if (n <= h->n)
		return 0;
	at = realloc(h->at, n * sizeof(struct transfer *));
	if (!at)
		return -ENOMEM;
	h->at = at;
	wait = realloc(h->wait, (n + EXTRA_FDS) * sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	h->wait = wait;
	memset(at + h->n, 0, (n - h->n) * sizeof(struct transfer *));
	h->n = n;
	return 0;
}

int http_add(struct http *h, uint32_t index, const struct probe_spec *spec, struct err *e)
{
	struct transfer *t;
	int r;

	if (grow(h, index))
		return err_set(e, ENOMEM, "no memory for one more check");
	t = calloc(1, sizeof(*t));
	if (t)
		t->easy = curl_easy_init();
	if (!t || !t->easy) {
		transfer_free(t);
		return err_set(e, ENOMEM, "no memory for one more check");
	}
	t->index = index;
	t->spec = *spec;
	r = transfer_set(t, e);
	if (r) {
		transfer_free(t);
		return r;
	}
	transfer_free(h->at[index]);
	h->at[index] = t;
	return 0;
}

int http_begin(struct http *h, uint32_t index)
{
	struct transfer *t = h->at[index];

	t->body = 0;
	t->got_len = 0;
	t->listening = false;
	t->why[0] = '\0';
	match_restart(&t->match);
	t->started_ns = clock_mono_ns();
	if (curl_multi_add_handle(h->multi, t->easy))
		return -EIO;
	t->running = true;
	return 0;
}

void http_cut(struct http *h, uint32_t index)
{
	struct transfer *t = index < h->n ? h->at[index] : NULL;

	if (!t || !t->running)
		return;
	curl_multi_remove_handle(h->multi, t->easy); /* closes the connection too */
	t->running = false;
	t->listening = false;
}

static curl_socket_t socket_of(const struct transfer *t)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	return fd;
}

int http_wait(struct http *h, const int *fds, unsigned n)
{
	unsigned used = 0;

	for (; used < n && used < EXTRA_FDS; used++)
		h->wait[used] = (struct curl_waitfd){ .fd = fds[used], .events = CURL_WAIT_POLLIN };
	for (uint32_t i = 0; i < h->n; i++) {
		if (h->at[i] && h->at[i]->listening)
			h->wait[used++] = (struct curl_waitfd){ .fd = socket_of(h->at[i]),
								.events = CURL_WAIT_POLLIN };
	}
	return curl_multi_poll(h->multi, h->wait, used, WAIT_MAX_MS, NULL) ? -EIO : 0;
}

int http_work(struct http *h)
{
	int running;

	return curl_multi_perform(h->multi, &running) ? -EIO : 0;
}

static void judge_failure(const struct transfer *t, CURLcode rc, struct probe_sample *s)
{
	struct text x = say_begin(s, PROBE_FAIL);
	const char *why = t->why[0] ? t->why : curl_easy_strerror(rc);
	long error = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
	if (rc == CURLE_COULDNT_RESOLVE_HOST) {
		text_add(&x, "cannot resolve '");
		text_add_foreign(&x, t->host, strlen(t->host));
		text_add(&x, "'");
	} else if (rc == CURLE_COULDNT_CONNECT && error) {
		text_add(&x, "cannot connect: %s", strerror((int)error));
	} else if (rc == CURLE_GOT_NOTHING) {
		text_add(&x, "connection closed without an answer");
	} else {
		text_add_foreign(&x, why, strlen(why));
	}
	say_end(&x);
}

/* The status was right. */
static void judge_body(const struct transfer *t, struct probe_sample *s)
{
	struct text x;

	if (t->match.found)
		return;
	x = say_begin(s, PROBE_FAIL);
	text_add(&x, "status %d, but the body does not contain '", s->status);
	text_add_foreign(&x, t->spec.http.contains, strlen(t->spec.http.contains));
	text_add(&x, t->body >= BODY_MAX ? "' in its first MiB" : "'");
	say_end(&x);
}

static void judge_http(const struct transfer *t, CURLcode rc, struct probe_sample *s)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	s->status = (int32_t)status;
	if (rc && !(rc == CURLE_WRITE_ERROR && t->body >= BODY_MAX))
		judge_failure(t, rc, s);
	else if (judge_status(&t->spec.http, (unsigned)status, s))
		judge_body(t, s);
}

/* A transfer is over with the verdict in *s: time, latency, out of the multi handle. */
static void finish(struct http *h, struct transfer *t, struct probe_sample *s)
{
	s->started_ns = t->started_ns;
	s->took_ns = clock_mono_ns() - t->started_ns;
	if (s->took_ns > t->spec.timeout_ns)
		judge_timeout(&t->spec, s);
	judge_latency(&t->spec, s);
	http_cut(h, t->index);
}

/* What has come of a banner. Returns false while it is open. */
static bool banner_take(struct transfer *t, struct probe_sample *s)
{
	ssize_t n =
		recv(socket_of(t), t->got + t->got_len, sizeof(t->got) - t->got_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0)
		say(s, PROBE_FAIL, "connected, no banner: %s", strerror(errno));
	else if (n == 0)
		say(s, PROBE_FAIL, "connection closed before the whole banner came");
	if (n <= 0)
		return true;
	t->got_len += (size_t)n;
	return judge_banner(&t->spec.tcp, t->got, t->got_len, s);
}

/* The transfer of a message of libcurl. Returns true when it is over. */
static bool message_take(const CURLMsg *m, struct transfer **ret, struct probe_sample *s)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
	*ret = t;
	if (t->spec.source == CHECK_HTTP)
		judge_http(t, m->data.result, s);
	else if (m->data.result)
		judge_failure(t, m->data.result, s);
	else if (!t->spec.tcp.banner[0])
		say(s, PROBE_OK, "connected");
	else
		t->listening = true;
	return !t->listening;
}

bool http_take(struct http *h, uint32_t *ret_index, struct probe_sample *ret)
{
	struct transfer *t = NULL;
	CURLMsg *m;
	int left;

	*ret = (struct probe_sample){ 0 };
	while ((m = curl_multi_info_read(h->multi, &left))) {
		if (m->msg != CURLMSG_DONE || !message_take(m, &t, ret))
			continue;
		finish(h, t, ret);
		*ret_index = t->index;
		return true;
	}
	for (uint32_t i = 0; i < h->n; i++) {
		t = h->at[i];
		if (!t || !t->listening || !banner_take(t, ret))
			continue;
		finish(h, t, ret);
		*ret_index = i;
		return true;
	}
	return false;
}
