/* Where things of the hub are on this machine and in the network, by the variables that huggingface_hub reads too:
 * HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN_PATH, HF_HUB_OFFLINE (and the older HUGGINGFACE_HUB_CACHE,
 * TRANSFORMERS_OFFLINE). Paths may begin with ~. All results are newly allocated; NULL when memory is out or there is
 * neither the variable nor a home. */
#ifndef HUB_PLACE_H
#define HUB_PLACE_H

#include <stdbool.h>

char *hub_endpoint(void);     /* no slash at its end */
char *hub_home_folder(void);  /* ~/.cache/huggingface */
char *hub_cache_folder(void); /* …/hub */
char *hub_token_path(void);   /* …/token; the stored_tokens lie beside it */
bool hub_is_offline(void);

#endif
