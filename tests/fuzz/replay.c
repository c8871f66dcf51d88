/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over files and folders of files, without libFuzzer:
 * how `make check-fuzz` replays the corpora.  One TAP line per folder.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t n = 0, got;

	if (f == NULL)
		return 0;
	do {
		data = realloc(data, n + 65536);
		if (data == NULL)
			abort();
		got = fread(data + n, 1, 65536, f);
		n += got;
	} while (got > 0);
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char path[4096];
		struct dirent *e;
		DIR *d = opendir(argv[i]);
		int count = 0;

		if (d == NULL) {
			count = replay_file(argv[i]);
		} else {
			while ((e = readdir(d)) != NULL) {
				struct stat st;

				snprintf(path, sizeof(path), "%s/%s", argv[i],
				    e->d_name);
				if (stat(path, &st) == 0 &&
				    S_ISREG(st.st_mode))
					count += replay_file(path);
			}
			closedir(d);
		}
		printf("%sok %d - %d inputs of %s replay without harm\n",
		    count > 0 ? "" : "not ", i, count,
		    strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 :
					    argv[i]);
	}
	printf("1..%d\n", argc - 1);
	return 0;
}
